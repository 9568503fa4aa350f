# Installation: libraries in both flavours, public headers as <coppice/…>, the program, and the files for find_package.

include(CMakePackageConfigHelpers)

set(COPPICE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/coppice)

foreach(flavour static shared)
  set(targets coppice_${flavour})
  if(TARGET coppice_train_${flavour})
    list(APPEND targets coppice_train_${flavour})
  endif()
  install(TARGETS ${targets} EXPORT coppice-${flavour})
  install(EXPORT coppice-${flavour} NAMESPACE coppice:: DESTINATION ${COPPICE_PACKAGE_DIR})
endforeach()
if(TARGET coppice_cli)
  install(TARGETS coppice_cli)
endif()

# Not public: kernels, the command line, and what only their neighbours include.
foreach(room ${COPPICE_ROOMS})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/coppice
          FILES_MATCHING PATTERN "*.h"
          PATTERN "ops/cpu" EXCLUDE
          PATTERN "trainers/cli" EXCLUDE
          PATTERN "cuda/stubs" EXCLUDE
          PATTERN "core/cpu_limit.h" EXCLUDE
          PATTERN "core/mask_slots.h" EXCLUDE
          PATTERN "core/io/masked_view.h" EXCLUDE
          PATTERN "core/io/safetensors_header.h" EXCLUDE)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/cmake/coppice.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/coppice)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/coppiceConfig.cmake.in ${PROJECT_BINARY_DIR}/coppiceConfig.cmake
                              INSTALL_DESTINATION ${COPPICE_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/coppiceConfig.cmake ${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake
        DESTINATION ${COPPICE_PACKAGE_DIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
