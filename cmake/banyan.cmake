# SPDX-License-Identifier: Apache-2.0
# How Banyan builds: flags, one library per room, tests beside it.

add_library(banyan_flags INTERFACE)
target_include_directories(banyan_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(banyan_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -fstack-protector-strong
  # Stacks are walked with debug information where speed counts.
  $<$<NOT:$<CONFIG:Release>>:-fno-omit-frame-pointer>
  # Nobody interposes a symbol of a program, so what one file defines and calls may be inlined; and as
  # all is bound at the start (-z now), libraries are called without a detour.
  $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-fno-semantic-interposition$<SEMICOLON>-fno-plt>)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(banyan_flags INTERFACE -Wthread-safety)
endif()
target_compile_definitions(banyan_flags INTERFACE
  BANYAN_VERSION="${PROJECT_VERSION}" $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
if(BANYAN_SANITIZE)
  target_compile_options(banyan_flags INTERFACE
    -fsanitize=${BANYAN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(banyan_flags INTERFACE -fsanitize=${BANYAN_SANITIZE})
  target_compile_definitions(banyan_flags INTERFACE BANYAN_SANITIZED=1)
endif()
if(BANYAN_FUZZ)
  target_compile_options(banyan_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(BANYAN_LUMPS AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A type of one file's own is in a file with others there, and still nobody else's.
  target_compile_options(banyan_flags INTERFACE -Wno-subobject-linkage)
endif()
# Sources in a lump: in larger ones less is read twice. What users run keeps the size that
# bench/instructions.json was measured with, as the compiler inlines otherwise in another one.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(BANYAN_LUMP_SOURCES 8)
else()
  set(BANYAN_LUMP_SOURCES 16)
endif()

# What a compiler writes does not depend on where the tree lies, so another clone finds it in the cache.
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
    "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}")
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

# What users run is compiled by what a training run was seen to do (decision 42): "write" makes a binary
# that notes which ways its code goes, beside its objects, and "use" compiles by these notes. Only the
# rooms that each request goes through. ./dev build does both.
set(BANYAN_PROFILE "" CACHE STRING "Profile of a training run: write or use")
set(BANYAN_PROFILED_ROOMS base http model net routing recorder proxy)
if(BANYAN_PROFILE AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(FATAL_ERROR "BANYAN_PROFILE needs GCC; ./dev build --untrained does without")
endif()
add_library(banyan_profile INTERFACE)
if(BANYAN_PROFILE STREQUAL "write")
  target_compile_options(banyan_profile INTERFACE -fprofile-generate -fprofile-update=atomic)
  add_link_options(-fprofile-generate)
elseif(BANYAN_PROFILE STREQUAL "use")
  # What the run did not come by is compiled as without a profile, and so is what has changed since.
  # Warnings are errors in every other build; here they depend on what was inlined, and on what the
  # run came by.
  target_compile_options(banyan_profile INTERFACE -fprofile-use -fprofile-partial-training -fprofile-reproducible=multithreaded
    -Wno-missing-profile -Wno-coverage-mismatch -Wno-error)
elseif(BANYAN_PROFILE)
  message(FATAL_ERROR "BANYAN_PROFILE is '${BANYAN_PROFILE}', not write or use")
endif()

# banyan_room(NAME DIR ROOMS… LIBS… MAIN file): library banyan_NAME of DIR/*.cc.
function(banyan_room name dir)
  cmake_parse_arguments(ARG "" "MAIN" "ROOMS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${dir}/*.cc")
  if(ARG_MAIN)
    list(REMOVE_ITEM sources "${CMAKE_SOURCE_DIR}/${dir}/${ARG_MAIN}")
  endif()
  list(TRANSFORM ARG_ROOMS PREPEND banyan_ OUTPUT_VARIABLE rooms)
  if(sources)
    add_library(banyan_${name} STATIC ${sources})
    target_link_libraries(banyan_${name} PUBLIC ${rooms} ${ARG_LIBS} PRIVATE banyan_flags)
    target_include_directories(banyan_${name} PUBLIC "${CMAKE_SOURCE_DIR}")
    # What the sources of a room keep to themselves has names of its own there, so they can be one.
    set_target_properties(banyan_${name} PROPERTIES
      UNITY_BUILD ${BANYAN_LUMPS} UNITY_BUILD_BATCH_SIZE ${BANYAN_LUMP_SOURCES})
    if(BANYAN_PROFILE AND name IN_LIST BANYAN_PROFILED_ROOMS)
      # Behind banyan_flags, whose -Werror it takes back.
      target_link_libraries(banyan_${name} PRIVATE banyan_profile)
      # Objects of a cache would write to, or stem from, the notes of another folder.
      set_target_properties(banyan_${name} PROPERTIES CXX_COMPILER_LAUNCHER "")
    endif()
  else()
    add_library(banyan_${name} INTERFACE)
    target_link_libraries(banyan_${name} INTERFACE ${rooms} ${ARG_LIBS})
  endif()
endfunction()

# banyan_test(NAME DIR ROOMS…): one GoogleTest program of tests/DIR/*_test.cc, if there are any.
function(banyan_test name dir)
  cmake_parse_arguments(ARG "" "" "ROOMS;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/${dir}/*_test.cc")
  if(NOT sources)
    return()
  endif()
  list(TRANSFORM ARG_ROOMS PREPEND banyan_ OUTPUT_VARIABLE rooms)
  add_executable(${name}_test ${sources})
  target_link_libraries(${name}_test PRIVATE ${rooms} banyan_test_support banyan_flags
    GTest::gtest GTest::gmock GTest::gtest_main)
  # Most of a test is what it includes, so lumps of several take half the time.
  set_target_properties(${name}_test PROPERTIES UNITY_BUILD ${BANYAN_LUMPS} UNITY_BUILD_BATCH_SIZE 8)
  # Tests are compiled more often than they run: what is tested is optimised, the test is not.
  target_compile_options(${name}_test PRIVATE $<$<CONFIG:Debug>:-O0>)
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS "unit;${ARG_LABELS}")
endfunction()

# banyan_fuzz(NAME ROOMS…): tests/fuzz/fuzz_NAME.cc. With BANYAN_FUZZ a libFuzzer program; else a test
# that runs every file of tests/fuzz/corpus/NAME/ once.
function(banyan_fuzz name)
  cmake_parse_arguments(ARG "" "" "ROOMS" ${ARGN})
  if(NOT EXISTS "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${name}.cc")
    return()
  endif()
  list(TRANSFORM ARG_ROOMS PREPEND banyan_ OUTPUT_VARIABLE rooms)
  add_executable(fuzz_${name} "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${name}.cc")
  target_link_libraries(fuzz_${name} PRIVATE ${rooms} banyan_flags)
  if(BANYAN_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus_runner.cc")
    add_test(NAME fuzz_corpus_${name}
      COMMAND fuzz_${name} "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    set_tests_properties(fuzz_corpus_${name} PROPERTIES TIMEOUT 120 LABELS "fuzz")
  endif()
endfunction()
