# What `cpack` puts into Debian packages: derin, with the server, the command line and what belongs to them, and derin-cuda,
# the module for GPUs, where it was built. `cmake --build --preset release && cpack --config build/release/CPackConfig.cmake`.
set(DERIN_MAINTAINER "Derin <derin@localhost>" CACHE STRING "Who answers for the Debian packages: NAME <ADDRESS>")

set(folder ${CMAKE_CURRENT_BINARY_DIR}/package)
file(MAKE_DIRECTORY ${folder})
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)

# Texts that the programs write of themselves, without a word about who builds them: a home or DERIN_SERVER is a default to them.
set(texts)
foreach(program derin derind)
  add_custom_command(OUTPUT ${folder}/${program}.1.gz ${folder}/${program}.bash
    COMMAND sh -c "env -i '$<TARGET_FILE:${program}>' --man-page | gzip -9n >'${folder}/${program}.1.gz'"
    COMMAND sh -c "env -i '$<TARGET_FILE:${program}>' --completion bash >'${folder}/${program}.bash'"
    DEPENDS ${program} VERBATIM)
  list(APPEND texts ${folder}/${program}.1.gz ${folder}/${program}.bash)
  install(FILES ${folder}/${program}.1.gz DESTINATION share/man/man1 COMPONENT derin)
  install(FILES ${folder}/${program}.bash DESTINATION share/bash-completion/completions RENAME ${program} COMPONENT derin)
endforeach()
# All options with their defaults, as comments, but where the data is: the unit says that.
add_custom_command(OUTPUT ${folder}/derind.toml
  COMMAND sh -c "'$<TARGET_FILE:derind>' --data-dir / --print-config | sed '1,/^data-dir/d; s/^[a-z]/#&/' >'${folder}/derind.toml'"
  DEPENDS derind VERBATIM)
add_custom_target(derin_package_texts ALL DEPENDS ${texts} ${folder}/derind.toml)
install(FILES ${folder}/derind.toml DESTINATION /etc/derin COMPONENT derin)

# The unit as deploy/systemd has it, for what is installed where a package puts it.
file(READ ${CMAKE_CURRENT_LIST_DIR}/../systemd/derind.service unit)
string(REGEX REPLACE "^#[^[]*" "# Options are in /etc/derin/derind.toml and /etc/default/derind, as DERIND_OPTIONS=\"...\".\n"
       unit "${unit}")
string(REPLACE "/usr/local/bin/derind" "/usr/bin/derind --config /etc/derin/derind.toml" unit "${unit}")
string(REPLACE "\nAfter=" "\nDocumentation=man:derind(1)\nAfter=" unit "${unit}")
file(WRITE ${folder}/derind.service "${unit}")
install(FILES ${folder}/derind.service DESTINATION lib/systemd/system COMPONENT derin)

install(TARGETS derin derind RUNTIME DESTINATION bin COMPONENT derin)
install(FILES ${CMAKE_SOURCE_DIR}/deploy/RUNBOOK.md DESTINATION share/doc/derin COMPONENT derin)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/deploy/prometheus ${CMAKE_SOURCE_DIR}/deploy/grafana
        DESTINATION share/doc/derin/examples COMPONENT derin FILES_MATCHING PATTERN "*.yaml" PATTERN "*.json")
set(components derin)
if(TARGET derin_cuda)
  install(TARGETS derin_cuda LIBRARY DESTINATION lib/derin COMPONENT cuda)
  install(TARGETS derin_cuda_timing RUNTIME DESTINATION lib/derin COMPONENT cuda)
  list(APPEND components cuda)
endif()

file(WRITE ${folder}/changelog "derin (${PROJECT_VERSION}) unstable; urgency=medium

  * Version ${PROJECT_VERSION}.

 -- ${DERIN_MAINTAINER}  ${date}
")
execute_process(COMMAND gzip -9nf ${folder}/changelog)
install(FILES ${folder}/changelog.gz DESTINATION share/doc/derin COMPONENT derin)
install(FILES ${folder}/changelog.gz DESTINATION share/doc/derin-cuda COMPONENT cuda)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/derin.lintian-overrides DESTINATION share/lintian/overrides RENAME derin
        COMPONENT derin)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/derin-cuda.lintian-overrides DESTINATION share/lintian/overrides
        RENAME derin-cuda COMPONENT cuda)
file(WRITE ${folder}/conffiles "/etc/derin/derind.toml\n")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME derin)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "recurrent language models, trained and served over gRPC")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${DERIN_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL ${components})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_DERIN_PACKAGE_NAME derin)
set(CPACK_DEBIAN_DERIN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DERIN_PACKAGE_CONTROL_EXTRA ${folder}/conffiles)
set(CPACK_DEBIAN_DERIN_DESCRIPTION
"derind trains stacked recurrent language models (LSTM, GRU, vanilla) on request
over gRPC and streams text from them out of the same process, keeping the
hidden state of every conversation between calls. derin is its command line.
.
The service is off until told otherwise: systemctl enable --now derind.")
set(CPACK_DEBIAN_CUDA_PACKAGE_NAME derin-cuda)
set(CPACK_DEBIAN_CUDA_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_CUDA_PACKAGE_DEPENDS "derin (= ${PROJECT_VERSION}), libc6, libgcc-s1, libstdc++6")
set(CPACK_DEBIAN_CUDA_DESCRIPTION
"This is the module that derind loads to compute on NVIDIA's GPUs of compute
capability 8.0 or newer. The driver (580 or newer), cuDNN 9 and cuBLASLt 13
are NVIDIA's and come from elsewhere.")
include(CPack)
