# llamabox_package_ggml(): what a wheel needs of a shared ggml. Its libraries get names that no other
# ggml of the process has, since loaders take libraries of one name for one, and no version in their
# file names, since wheels have no links. They find each other in their own folder. Headers and
# Windows' import libraries stay where they are.
function(llamabox_package_ggml)
  set(origin $<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>)
  get_property(backends CACHE GGML_AVAILABLE_BACKENDS PROPERTY VALUE)
  foreach(target ggml ggml-base ${backends})
    set_property(TARGET ${target} PROPERTY VERSION)
    set_property(TARGET ${target} PROPERTY SOVERSION)
    set_property(TARGET ${target} PROPERTY PUBLIC_HEADER)
    set_property(TARGET ${target} PROPERTY INSTALL_RPATH ${origin} ${LLAMABOX_PLUGIN_RPATH})
  endforeach()
  set_target_properties(ggml PROPERTIES OUTPUT_NAME llamabox_ggml)
  set_target_properties(ggml-base PROPERTIES OUTPUT_NAME llamabox_ggml_base)
  if(LLAMABOX_PLUGIN)
    install(TARGETS ggml-${LLAMABOX_PLUGIN} LIBRARY DESTINATION . COMPONENT plugin
                                            RUNTIME DESTINATION . COMPONENT plugin)
    file(WRITE ${PROJECT_BINARY_DIR}/ggml_source.json "\"${LLAMABOX_LLAMA_CPP_DIR_PIN}\"\n")
    return()
  endif()
  # A library that nothing links belongs to the package all the same.
  add_custom_target(llamabox_backends ALL DEPENDS ${backends})
  install(TARGETS ggml ggml-base ${backends} LIBRARY DESTINATION llamabox RUNTIME DESTINATION llamabox
                                             ARCHIVE DESTINATION lib EXCLUDE_FROM_ALL)
endfunction()
