# servin, servin-shim, servin-netd and servin-init, and the files that servin carries inside itself.

# servin_blob(TARGET SYMBOL FILE [DEPENDS...]): an object library that holds FILE as SYMBOL_start .. SYMBOL_end.
function(servin_blob target symbol file)
  set(source ${CMAKE_BINARY_DIR}/blobs/${target}.S)
  file(CONFIGURE OUTPUT ${source} CONTENT
    ".section .rodata\n.global @symbol@_start\n.global @symbol@_end\n.balign 16\n@symbol@_start:\n.incbin \"@file@\"\n@symbol@_end:\n.section .note.GNU-stack,\"\",%progbits\n" @ONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${file};${ARGN}")
  add_library(${target} STATIC ${source})
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
endfunction()

# servin-init: no C library and no start files, so that the sealed copy of it is a few pages (src/init/README in its header).
file(GLOB init_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/init/*.cc)
list(FILTER init_files EXCLUDE REGEX "_test\\.cc$")
if(init_files)
  set(init_compile_options -Os -g0 -Wall -Wextra -Wconversion -Wshadow -Werror -ffreestanding -fno-exceptions -fno-rtti
    -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie)
  set(init_compile_options_gcc -fno-tree-loop-distribute-patterns -fno-builtin)
  set(init_link_options -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack)
  add_executable(servin-init ${init_files})
  target_include_directories(servin-init PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(servin-init PRIVATE ${init_compile_options} -fno-sanitize=all "$<$<CXX_COMPILER_ID:GNU>:${init_compile_options_gcc}>")
  target_link_options(servin-init PRIVATE ${init_link_options})
  # Not part of any build: `./dev test deep` makes it, to prove that the code without a C library fits the other processor.
  add_custom_target(servin-init-arm64
    COMMAND aarch64-linux-gnu-g++ -std=c++23 -I${PROJECT_SOURCE_DIR}/src ${init_compile_options} ${init_compile_options_gcc} ${init_link_options}
      ${init_files} -o ${CMAKE_BINARY_DIR}/bin/servin-init-arm64
    VERBATIM)
  set_target_properties(servin-init PROPERTIES POSITION_INDEPENDENT_CODE OFF INTERPROCEDURAL_OPTIMIZATION OFF)
  servin_blob(blob_init servin_init_blob ${CMAKE_BINARY_DIR}/bin/servin-init servin-init)
  add_dependencies(blob_init servin-init)
  target_link_libraries(room_runtime_linux PUBLIC blob_init)
endif()

# The built-in image is Debian's static busybox (package busybox-static).
find_program(BUSYBOX busybox PATHS /bin /usr/bin NO_DEFAULT_PATH REQUIRED)
servin_blob(blob_busybox servin_busybox_blob ${BUSYBOX})
get_target_property(image_type room_image TYPE)
if(NOT image_type STREQUAL "INTERFACE_LIBRARY")
  target_link_libraries(room_image PUBLIC blob_busybox)
endif()

# app/ holds the mains and the wiring.
file(GLOB app_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/app/*.cc)
list(FILTER app_files EXCLUDE REGEX "_(test|main)\\.cc$")
set(room_of_servin-shim room_shim)
# Static also where the others are not, so that it needs the archive: a linker may take a shared library for it silently.
find_library(SECCOMP_ARCHIVE NAMES libseccomp.a REQUIRED)
set(room_of_servin-netd room_network_forward ${SECCOMP_ARCHIVE})
foreach(program servin:servin_main.cc servin-shim:shim_main.cc servin-netd:netd_main.cc servin-transfer:transfer_main.cc)
  string(REPLACE ":" ";" pair ${program})
  list(GET pair 0 name)
  list(GET pair 1 main)
  if(NOT EXISTS ${PROJECT_SOURCE_DIR}/src/app/${main})
    continue()
  endif()
  if(name STREQUAL "servin")
    add_executable(${name} ${PROJECT_SOURCE_DIR}/src/app/${main} ${app_files})
    set(rooms ${uses_app})
    list(REMOVE_ITEM rooms shim transfer)
    foreach(room ${rooms})
      string(REPLACE "/" "_" key ${room})
      target_link_libraries(${name} PRIVATE room_${key})
    endforeach()
    if(SERVIN_STATIC)
      target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,-z,now)
    endif()
  elseif(name STREQUAL "servin-transfer")
    add_executable(${name} ${PROJECT_SOURCE_DIR}/src/app/${main})
    target_link_libraries(${name} PRIVATE room_transfer)
    # libcurl brings its own OpenSSL: no symbol of an archive of ours may stand in for one of it.
    target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
    if(SERVIN_STATIC)
      target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,-z,now)
    endif()
  else()
    add_executable(${name} ${PROJECT_SOURCE_DIR}/src/app/${main})
    target_link_libraries(${name} PRIVATE ${room_of_${name}})
    if(NOT SERVIN_SANITIZE)
      # One per running container or network: fully static, so that it has no dynamic linker's private pages.
      set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_link_options(${name} PRIVATE -static -no-pie -Wl,--gc-sections)
    endif()
  endif()
endforeach()

# Whoever builds servin by name gets what it starts.
add_dependencies(servin servin-shim servin-netd servin-transfer)

# The others are no commands of the user's: servin finds them beside itself or in ../libexec/servin.
if(TARGET servin)
  install(TARGETS servin RUNTIME DESTINATION bin)
endif()
foreach(companion servin-shim servin-netd servin-transfer)
  if(TARGET ${companion})
    install(TARGETS ${companion} RUNTIME DESTINATION libexec/servin)
  endif()
endforeach()
