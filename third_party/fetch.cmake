# llamabox_source(VARIABLE NAME SUBFOLDER): set VARIABLE to the folder of an upstream source. Upstream's
# own tools, built without our core, are built as published: the peer of benchmarks is not ours.
# A packager who sets VARIABLE keeps it; otherwise fetch.py fetches the pinned archive. VARIABLE_PIN
# is the pin with a digest of the patches, or "custom".
function(llamabox_source variable name subfolder)
  if(${variable})
    message(STATUS "${variable}: ${${variable}}")
    set(${variable}_PIN custom PARENT_SCOPE)
    return()
  endif()
  set(flags)
  if(NOT LLAMABOX_CORE AND NOT LLAMABOX_PLUGIN)
    set(flags --as-published)
  endif()
  execute_process(
    COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/third_party/fetch.py ${name} ${flags}
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} ${folder}/${subfolder} PARENT_SCOPE)
  get_filename_component(pin ${folder} NAME)
  set(${variable}_PIN ${pin} PARENT_SCOPE)
endfunction()

# Patches are part of the key of the unpacked folder, so a changed one must configure again.
file(GLOB llamabox_patches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/third_party/patches/*.patch)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${llamabox_patches} ${PROJECT_SOURCE_DIR}/third_party/sources.txt)
