# embed_files(TARGET SYMBOL=FILE ...): each FILE becomes the read-only bytes
# SYMBOL[] .. SYMBOL_end[] of TARGET. Declare them as
#     extern const unsigned char SYMBOL[], SYMBOL_end[];
function(embed_files target)
	foreach(pair IN LISTS ARGN)
		string(REGEX MATCH "^([^=]+)=(.+)$" _ "${pair}")
		set(symbol ${CMAKE_MATCH_1})
		set(file ${CMAKE_MATCH_2})
		set(source ${CMAKE_BINARY_DIR}/embed/${symbol}.S)
		file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
	.section .rodata
	.balign 64
	.global @symbol@
	.hidden @symbol@
	.global @symbol@_end
	.hidden @symbol@_end
@symbol@:
	.incbin "@file@"
@symbol@_end:
	.byte 0
	.section .note.GNU-stack,"",%progbits
]])
		set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file})
		target_sources(${target} PRIVATE ${source})
	endforeach()
endfunction()
