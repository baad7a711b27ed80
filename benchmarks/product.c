/* A bare matrix-vector product, uint8 (in) by int8 (in, out) to int32 (out): the least work that a step can do. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#ifndef __AVX512VNNI__
#error "this processor has no AVX-512 VNNI"
#endif

enum { LANES = 16, REGISTERS = 24, BLOCK = LANES * REGISTERS };

/* `weights` are laid out as (out / BLOCK, in / 4, BLOCK, 4), so they are read from front to back. `out` has to be a
 * multiple of BLOCK, `in` a multiple of 4. Computes the product `times` times. */
void product(const uint8_t *x, const int8_t *weights, int32_t *y, int in, int out, int times) {
    for (; times > 0; times--) {
        const int8_t *w = weights;
        for (int block = 0; block < out; block += BLOCK) {
            __m512i sum[REGISTERS];
            for (int r = 0; r < REGISTERS; r++) sum[r] = _mm512_setzero_si512();
            for (int i = 0; i < in; i += 4, w += 4 * BLOCK) {
                int32_t four;
                memcpy(&four, x + i, 4);
                __m512i quad = _mm512_set1_epi32(four);
#pragma GCC unroll 24
                for (int r = 0; r < REGISTERS; r++)
                    sum[r] = _mm512_dpbusd_epi32(sum[r], quad, _mm512_loadu_si512(w + 4 * LANES * r));
            }
            for (int r = 0; r < REGISTERS; r++) _mm512_storeu_si512(y + block + LANES * r, sum[r]);
        }
        __asm__ volatile("" ::: "memory");
    }
}
