# The two libraries (each one object library behind a static and a shared target) and the command-line program.

set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # a host's targets link them through ours
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET GLOBAL libhwy>=1.0)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET GLOBAL tomlplusplus>=3.0)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(nlohmann_json 3.9 REQUIRED)
if(COPPICE_BUILD_CLI)
  find_package(CLI11 2.1 REQUIRED)
endif()

# Headers are included as <coppice/core/tensor.h>: one link per top-level folder.
set(COPPICE_INCLUDE_ROOT ${PROJECT_BINARY_DIR}/include)
set(COPPICE_ROOMS core autograd ops cuda models sparsity trainers)
file(MAKE_DIRECTORY ${COPPICE_INCLUDE_ROOT}/coppice)
foreach(room ${COPPICE_ROOMS})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${room} ${COPPICE_INCLUDE_ROOT}/coppice/${room} SYMBOLIC)
endforeach()
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/cmake/coppice.h ${COPPICE_INCLUDE_ROOT}/coppice/coppice.h SYMBOLIC)

file(GLOB_RECURSE COPPICE_SOURCES CONFIGURE_DEPENDS core/*.cpp autograd/*.cpp ops/*.cpp cuda/stubs/*.cpp models/*.cpp
     sparsity/*.cpp)
file(GLOB_RECURSE COPPICE_TRAIN_SOURCES CONFIGURE_DEPENDS trainers/*.cpp)
file(GLOB COPPICE_CLI_SOURCES CONFIGURE_DEPENDS trainers/cli/*.cpp)
list(FILTER COPPICE_TRAIN_SOURCES EXCLUDE REGEX "/trainers/cli/")

function(coppice_object_library name)
  add_library(${name} OBJECT ${ARGN})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                                           VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${name} PUBLIC ${COPPICE_INCLUDE_ROOT})
  target_link_libraries(${name} PRIVATE coppice_compiler)
endfunction()

coppice_object_library(coppice_objects ${COPPICE_SOURCES})
# Kernels are compiled for SSE4, AVX2, AVX-512 and NEON beside the baseline; the rest would only cost build time. Kernels
# keep vectors in arrays, which SVE's sizeless types do not allow.
set(COPPICE_KERNEL_TARGETS "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_AVX3_DL|HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)")
target_compile_definitions(coppice_objects PRIVATE ${COPPICE_KERNEL_TARGETS})
target_link_libraries(coppice_objects PRIVATE PkgConfig::HWY ZLIB::ZLIB nlohmann_json::nlohmann_json Threads::Threads)

# The static and the shared library of one set of objects: <name>_static, <name>_shared, and coppice::<alias> for the one
# that BUILD_SHARED_LIBS asks for.
function(coppice_library name alias)
  foreach(flavour static shared)
    string(TOUPPER ${flavour} type)
    set(target ${name}_${flavour})
    add_library(${target} ${type} $<TARGET_OBJECTS:${name}_objects>)
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${COPPICE_INCLUDE_ROOT}>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:coppice_compiler> Threads::Threads)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} EXPORT_NAME ${target})
  endforeach()
  if(NOT COPPICE_SANITIZE)
    target_link_options(${name}_shared PRIVATE LINKER:--no-undefined)  # a symbol that lacks COPPICE_API shows here
  endif()
  set_target_properties(${name}_shared PROPERTIES VERSION ${PROJECT_VERSION} INSTALL_RPATH $ORIGIN
                                                  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(BUILD_SHARED_LIBS)
    add_library(coppice::${alias} ALIAS ${name}_shared)
  else()
    add_library(coppice::${alias} ALIAS ${name}_static)
  endif()
endfunction()

coppice_library(coppice coppice)
foreach(flavour static shared)
  target_link_libraries(coppice_${flavour} PRIVATE PkgConfig::HWY ZLIB::ZLIB)
endforeach()

if(COPPICE_TRAIN_SOURCES)
  coppice_object_library(coppice_train_objects ${COPPICE_TRAIN_SOURCES})
  target_compile_definitions(coppice_train_objects PRIVATE ${COPPICE_KERNEL_TARGETS})  # to name the one dispatched to
  set(COPPICE_TRAIN_LIBRARIES PkgConfig::HWY PkgConfig::TOMLPLUSPLUS OpenSSL::Crypto PNG::PNG JPEG::JPEG)
  target_link_libraries(coppice_train_objects PRIVATE ${COPPICE_TRAIN_LIBRARIES} nlohmann_json::nlohmann_json
                                                      Threads::Threads)
  # Results name the sources they came from, so the header that knows is looked at in every build.
  set(build_info ${PROJECT_BINARY_DIR}/generated/coppice_build.h)
  add_custom_target(coppice_build_info BYPRODUCTS ${build_info}
    COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUTPUT=${build_info} -DVERSION=${PROJECT_VERSION}
            "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" -DBUILD_TYPE=${CMAKE_BUILD_TYPE}
            -P ${PROJECT_SOURCE_DIR}/cmake/CoppiceBuildInfo.cmake)
  add_dependencies(coppice_train_objects coppice_build_info)
  target_include_directories(coppice_train_objects PRIVATE ${PROJECT_BINARY_DIR}/generated)
  coppice_library(coppice_train train)
  foreach(flavour static shared)
    target_link_libraries(coppice_train_${flavour} PUBLIC coppice_${flavour} PRIVATE ${COPPICE_TRAIN_LIBRARIES})
  endforeach()
  if(COPPICE_BUILD_CLI)
    add_executable(coppice_cli ${COPPICE_CLI_SOURCES})
    set_target_properties(coppice_cli PROPERTIES OUTPUT_NAME coppice)
    target_link_libraries(coppice_cli PRIVATE coppice_train_static coppice_compiler CLI11::CLI11)
  endif()
endif()
