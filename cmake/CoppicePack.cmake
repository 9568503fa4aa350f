# Debian packages, by `cpack` in the build tree: libcoppice<SOVERSION>, libcoppice-dev and coppice, the program.

set(abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "Coppice developers")
set(CPACK_PACKAGE_CONTACT "Coppice developers <developers@localhost>")  # a distribution sets its own
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Deep-learning engine with sparse weights as first-class objects")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL libraries development program)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})  # one of our libraries needs the other

set(CPACK_DEBIAN_LIBRARIES_PACKAGE_NAME libcoppice${abi})
set(CPACK_COMPONENT_LIBRARIES_DESCRIPTION "The shared libraries.")
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcoppice-dev)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Headers, static libraries, and the files for CMake and pkg-config.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libcoppice${abi} (= ${PROJECT_VERSION}), libhwy-dev, zlib1g-dev, libssl-dev, libpng-dev, libjpeg-dev, libtomlplusplus-dev")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME coppice)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "The program coppice, which trains and reports.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)

include(CPack)
