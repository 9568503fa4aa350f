# Language, warnings and sanitizers, carried by one interface target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_package(Threads REQUIRED)

add_library(coppice_compiler INTERFACE)
# Fused multiply-adds are written where they are meant: contraction by the compiler would make results depend on it.
# Nobody reads floating-point exception flags; promising so lets loops with comparisons vectorise. Values stay the same.
target_compile_options(coppice_compiler INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor
                                                  -ffp-contract=off -fno-math-errno -fno-trapping-math)
if(COPPICE_WARNINGS_AS_ERRORS)
  target_compile_options(coppice_compiler INTERFACE -Werror)
endif()
if(COPPICE_SANITIZE)
  target_compile_options(coppice_compiler INTERFACE -fsanitize=${COPPICE_SANITIZE} -fno-omit-frame-pointer
                                                    -fno-sanitize-recover=all)
  target_link_options(coppice_compiler INTERFACE -fsanitize=${COPPICE_SANITIZE})
endif()
