# One object library `layer_NAME` per row of src/LAYERS, and the check that includes
# point only where the table allows: it runs before anything is compiled.
file(STRINGS ${CMAKE_SOURCE_DIR}/src/LAYERS LAYER_ROWS REGEX "^[a-z]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/LAYERS)

add_custom_target(check_layers ALL
	COMMAND ${CMAKE_SOURCE_DIR}/tools/check-layers
	WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} COMMENT "Includes point downwards only" VERBATIM)

set(LAYERS "")
foreach(row IN LISTS LAYER_ROWS)
	string(REGEX MATCH "^[a-z]+" layer "${row}")
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${layer}/*.c)
	if(NOT sources)
		continue()
	endif()
	add_library(layer_${layer} OBJECT ${sources})
	target_link_libraries(layer_${layer} PRIVATE rwkvmon_flags)
	add_dependencies(layer_${layer} check_layers)
	if(layer MATCHES "^(record|forecast|learn|rules|runtime|stats|analyze)$") # their plain loops as vectors
		target_compile_options(layer_${layer} PRIVATE "$<$<CONFIG:RelWithDebInfo>:-O3>")
	endif()
	if(layer STREQUAL "runtime")
		target_compile_options(layer_runtime PRIVATE "$<$<CONFIG:RelWithDebInfo>:-fno-trapping-math>")
	endif()
	list(APPEND LAYERS ${layer})
	foreach(isa IN ITEMS avx2 avx512 avx512vnni)
		set(for_isa ${sources})
		list(FILTER for_isa INCLUDE REGEX "_${isa}\\.c$")
		if(for_isa)
			set_source_files_properties(${for_isa} PROPERTIES COMPILE_OPTIONS "${SIMD_FLAGS_${isa}}")
		endif()
	endforeach()

	# Each header compiles alone: checked where there are tests.
	file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/src/${layer}/*.h)
	foreach(header IN LISTS headers)
		string(MAKE_C_IDENTIFIER ${header} id)
		set(probe ${CMAKE_BINARY_DIR}/headers/${id}.c)
		file(CONFIGURE OUTPUT ${probe} CONTENT "#include \"${header}\"\n")
		list(APPEND header_probes ${probe})
	endforeach()
endforeach()
set(when EXCLUDE_FROM_ALL)
if(RWKVMON_TESTS)
	set(when)
endif()
add_library(check_headers OBJECT ${when} ${header_probes} ${CMAKE_SOURCE_DIR}/cmake/public_header.c)
target_link_libraries(check_headers PRIVATE rwkvmon_flags)
