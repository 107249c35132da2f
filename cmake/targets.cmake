# The shared library other programs link, and the command-line program.
set(COLLECTOR_LAYERS base stats spec simd record forecast observe rules log export collect)

# rwkvmon: everything of the collector. rwkvmon_core: all layers but cli, for tests and the program.
add_library(rwkvmon SHARED)
add_library(rwkvmon_core STATIC)
foreach(layer IN LISTS LAYERS)
	if(layer IN_LIST COLLECTOR_LAYERS)
		target_sources(rwkvmon PRIVATE $<TARGET_OBJECTS:layer_${layer}>)
	endif()
	if(NOT layer STREQUAL "cli")
		target_sources(rwkvmon_core PRIVATE $<TARGET_OBJECTS:layer_${layer}>)
	endif()
endforeach()
embed_files(layer_rules rules_default=${CMAKE_SOURCE_DIR}/src/rules/default.yaml
	rules_thresholds=${CMAKE_SOURCE_DIR}/src/rules/thresholds.yaml
	rules_baseline=${CMAKE_SOURCE_DIR}/src/rules/baseline.yaml rules_byte=${CMAKE_SOURCE_DIR}/src/rules/byte.yaml)
foreach(layer IN ITEMS export proxy) # both load these libraries when they need them
	if(CURL_FOUND)
		target_compile_definitions(layer_${layer} PRIVATE RWKVMON_HAS_CURL=1)
		target_include_directories(layer_${layer} PRIVATE ${CURL_INCLUDE_DIRS})
	else()
		target_compile_definitions(layer_${layer} PRIVATE RWKVMON_HAS_CURL=0)
	endif()
	if(MICROHTTPD_FOUND)
		target_compile_definitions(layer_${layer} PRIVATE RWKVMON_HTTP)
		target_include_directories(layer_${layer} PRIVATE ${MICROHTTPD_INCLUDE_DIRS})
	endif()
endforeach()
set(COLLECTOR_LIBRARIES PkgConfig::YAML PkgConfig::ZSTD Threads::Threads ${CMAKE_DL_LIBS} m)
if(NOT MICROHTTPD_FOUND)
	message(WARNING "libmicrohttpd is missing: no /metrics and no live page in this build")
endif()
target_link_libraries(rwkvmon PRIVATE rwkvmon_flags ${COLLECTOR_LIBRARIES})
target_link_libraries(layer_tui PRIVATE PkgConfig::NCURSESW)
target_link_libraries(rwkvmon_core PUBLIC rwkvmon_flags ${COLLECTOR_LIBRARIES} PkgConfig::JANSSON PkgConfig::ZLIB
	PkgConfig::UTF8PROC PkgConfig::NCURSESW)
set_target_properties(rwkvmon PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0
	PUBLIC_HEADER ${CMAKE_SOURCE_DIR}/include/rwkvmon.h)
# A handle's threads run in the library: dlclose must not take it away from under them.
target_link_options(rwkvmon PRIVATE LINKER:-z,nodelete)
target_include_directories(rwkvmon PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(rwkvmon_core PROPERTIES LINKER_LANGUAGE C)

embed_files(rwkvmon_core embedded_model=${CMAKE_SOURCE_DIR}/models/tiny-rwkv7.safetensors)

add_executable(rwkvmon_cli $<TARGET_OBJECTS:layer_cli>)
target_link_libraries(rwkvmon_cli PRIVATE rwkvmon_core)
target_compile_definitions(layer_cli PRIVATE RWKVMON_DOC_DIR="${CMAKE_INSTALL_FULL_DOCDIR}")
set_target_properties(rwkvmon_cli PROPERTIES OUTPUT_NAME rwkvmon)

configure_file(${CMAKE_SOURCE_DIR}/cmake/rwkvmon.pc.in ${CMAKE_BINARY_DIR}/rwkvmon.pc @ONLY)
install(TARGETS rwkvmon EXPORT rwkvmon-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS rwkvmon_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_BINARY_DIR}/rwkvmon.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package(rwkvmon) gives rwkvmon::rwkvmon.
include(CMakePackageConfigHelpers)
set(RWKVMON_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/rwkvmon)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/rwkvmon-config.cmake.in ${CMAKE_BINARY_DIR}/rwkvmon-config.cmake
	INSTALL_DESTINATION ${RWKVMON_CMAKE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/rwkvmon-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT rwkvmon-targets NAMESPACE rwkvmon:: DESTINATION ${RWKVMON_CMAKE_DIR})
install(FILES ${CMAKE_BINARY_DIR}/rwkvmon-config.cmake ${CMAKE_BINARY_DIR}/rwkvmon-config-version.cmake
	DESTINATION ${RWKVMON_CMAKE_DIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/deploy DESTINATION ${CMAKE_INSTALL_DATADIR}/rwkvmon)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.json")
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/NOTICE ${CMAKE_SOURCE_DIR}/SECURITY.md
	DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_SOURCE_DIR}/docs/rwkvmon.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_SOURCE_DIR}/docs/rwkvmon.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
