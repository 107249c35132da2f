/* exp2.h - 2^r for r in [0, 1): the polynomial of degree 5 whose largest relative error is
 * smallest (8e-8), for the vec_exp2 of every vec_*.h. VEC_EXP2_n goes with r^n. */
#ifndef RWKVMON_SIMD_EXP2_H
#define RWKVMON_SIMD_EXP2_H

#define VEC_EXP2_0 0.999999927F
#define VEC_EXP2_1 0.693152968F
#define VEC_EXP2_2 0.240154530F
#define VEC_EXP2_3 0.0558236040F
#define VEC_EXP2_4 0.00899258458F
#define VEC_EXP2_5 0.00187623273F

#endif
