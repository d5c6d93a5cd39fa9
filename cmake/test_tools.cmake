# Small programs that the fault and security tests use (tests/tools/*.cc, one program each), in BUILD/bin. Only the
# target test_tools builds them: no user needs them. Static: some run inside containers.
file(GLOB test_tool_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/tools/*.cc)
add_custom_target(test_tools)
foreach(file ${test_tool_files})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${file})
  target_compile_features(${name} PRIVATE cxx_std_23)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_compile_options(${name} PRIVATE -O1 -Wall -Wextra -Wconversion -Wshadow -Werror)
  target_link_options(${name} PRIVATE -static)
  set_target_properties(${name} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF POSITION_INDEPENDENT_CODE OFF)
  add_dependencies(test_tools ${name})
endforeach()
