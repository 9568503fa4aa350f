# Installation: libraries in both flavours, public headers as <coppice/…>, the program, and what finds them: a CMake package
# and pkg-config files. Each file belongs to one of the components libraries, development, program.

include(CMakePackageConfigHelpers)

set(COPPICE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/coppice)

foreach(flavour static shared)
  set(targets coppice_${flavour})
  if(TARGET coppice_train_${flavour})
    list(APPEND targets coppice_train_${flavour})
  endif()
  install(TARGETS ${targets} EXPORT coppice-${flavour}
          LIBRARY COMPONENT libraries NAMELINK_COMPONENT development
          ARCHIVE COMPONENT development)
  install(EXPORT coppice-${flavour} NAMESPACE coppice:: DESTINATION ${COPPICE_PACKAGE_DIR} COMPONENT development)
endforeach()
if(TARGET coppice_cli)
  install(TARGETS coppice_cli COMPONENT program)
endif()

# Not public: kernels, the command line, and what only its neighbours include.
set(COPPICE_INTERNAL_HEADERS
    core/cpu_limit.h core/remap.h core/io/masked_view.h core/io/safetensors_header.h core/io/pickle.h core/io/stored_zip.h
    autograd/accumulate.h autograd/pointer_map.h autograd/selection.h
    models/nn/evaluation.h
    ops/candidate_registry.h ops/conv2d_costs.h ops/conv2d_gradient.h ops/conv2d_passes.h ops/filter_structure.h ops/nm_structure.h ops/functors.h ops/map.h
    ops/functors_activation.h ops/functors_discrete.h ops/functors_math.h ops/functors_wide.h ops/record_elementwise.h
    ops/reduce_dims.h
    models/convolution_layers.h ops/packed_filters.h ops/rearrange.h ops/resample.h ops/rows.h ops/sparse_structure.h
    ops/regions.h
    ops/class_targets.h
    sparsity/controller_impl.h sparsity/field.h sparsity/mask_history.h sparsity/nearest.h sparsity/policy_fields.h
    sparsity/units.h
    trainers/checkpoint_progress.h trainers/csv.h trainers/measure/ceilings.h trainers/measure/clock.h
    trainers/measure/masks.h trainers/measure/records.h trainers/measure/sampler.h
    trainers/measure/samples.h trainers/measure/tuning.h trainers/reactivation/kept_runs.h
    trainers/report/cells.h trainers/report/chart.h trainers/report/format.h trainers/report/markup.h
    trainers/report/paper.h trainers/report/scale.h trainers/report/sections.h trainers/report/style.h
    trainers/report/svg.h trainers/step_timing.h
    trainers/data/digit_glyphs.h trainers/data/image_planes.h trainers/data/sha256.h
    trainers/recipe/document.h trainers/recipe/fields.h)
file(GLOB_RECURSE COPPICE_HEADERS RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS core/*.h autograd/*.h ops/*.h models/*.h
     sparsity/*.h trainers/*.h)
list(FILTER COPPICE_HEADERS EXCLUDE REGEX "^(ops/cpu|trainers/cli)/")
list(REMOVE_ITEM COPPICE_HEADERS ${COPPICE_INTERNAL_HEADERS})
foreach(header ${COPPICE_HEADERS})
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/coppice/${folder}
          COMPONENT development)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/cmake/coppice.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/coppice
        COMPONENT development)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/coppiceConfig.cmake.in ${PROJECT_BINARY_DIR}/coppiceConfig.cmake
                              INSTALL_DESTINATION ${COPPICE_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/coppiceConfig.cmake ${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake
        DESTINATION ${COPPICE_PACKAGE_DIR} COMPONENT development)
# Relative, so that an installation may move.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE COPPICE_PC_PREFIX)
string(REGEX REPLACE "[^/]+" ".." COPPICE_PC_PREFIX "${COPPICE_PC_PREFIX}/pkgconfig")
foreach(module coppice coppice-train)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${module}.pc.in ${PROJECT_BINARY_DIR}/${module}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endforeach()
foreach(component libraries development program)  # each can be installed alone
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}/${component} COMPONENT ${component})
endforeach()
