# What every source file is compiled with.
add_library(rwkvmon_flags INTERFACE)
target_include_directories(rwkvmon_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
set(WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
	-Wformat=2 -Wundef)
target_compile_options(rwkvmon_flags INTERFACE
	"$<$<COMPILE_LANGUAGE:C>:${WARNINGS};-fno-common;-fno-math-errno>"
	"$<$<COMPILE_LANGUAGE:C>:SHELL:-include ${CMAKE_SOURCE_DIR}/src/base/banned.h>")
target_compile_definitions(rwkvmon_flags INTERFACE _GNU_SOURCE RWKVMON_VERSION="${PROJECT_VERSION}")
if(CMAKE_C_COMPILER_ID MATCHES "Clang") # UNROLL is a wish; where clang does not follow it, the code is right all the same
	target_compile_options(rwkvmon_flags INTERFACE -Wno-pass-failed)
endif()
if(RWKVMON_WERROR)
	target_compile_options(rwkvmon_flags INTERFACE -Werror)
endif()
if(RWKVMON_SANITIZE)
	target_compile_options(rwkvmon_flags INTERFACE -fsanitize=${RWKVMON_SANITIZE} -fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	target_link_options(rwkvmon_flags INTERFACE -fsanitize=${RWKVMON_SANITIZE})
endif()

# Hardening, where no sanitizer does better: checked copies, guarded stacks, tables of the linker that cannot be written
# once the program runs, marked branch targets where the compiler knows them (tests/integration/hardening_test.sh).
include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
check_c_compiler_flag(-fcf-protection=full HAS_CF_PROTECTION)
if(NOT RWKVMON_SANITIZE)
	target_compile_options(rwkvmon_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:-fstack-protector-strong>"
		"$<$<AND:$<COMPILE_LANGUAGE:C>,$<NOT:$<CONFIG:Debug>>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
	if(HAS_CF_PROTECTION)
		target_compile_options(rwkvmon_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:-fcf-protection=full>")
	endif()
	target_link_options(rwkvmon_flags INTERFACE LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
endif()

# Kernels are compiled once per instruction set; a table in src/simd/ is chosen from at run time.
# A file's name says what it may use: *_avx2.c, *_avx512.c, *_neon.c.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
	set(SIMD_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi -mbmi2 -mlzcnt)
	set(SIMD_FLAGS_avx512 ${SIMD_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mprefer-vector-width=512)
	set(SIMD_FLAGS_avx512vnni ${SIMD_FLAGS_avx512} -mavx512vnni)
endif()
