#include "security/crypto_mbedtls/sha256_instructions.hpp"

#include <algorithm>
#include <gsl/assert>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace hedgerow::security {

#if defined(__x86_64__)

namespace {

// FIPS 180-4, 4.2.2.
alignas(16) constexpr std::array<std::uint32_t, 64> kRounds = {
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

__m128i* vector_at(void* at) { return static_cast<__m128i*>(at); }
const __m128i* vector_at(const void* at) { return static_cast<const __m128i*>(at); }

bool has_instructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kSsse3AndSse41 = (1U << 9U) | (1U << 19U);
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSsse3AndSse41) != kSsse3AndSse41) return false;
  constexpr unsigned kSha = 1U << 29U;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0;
}

// Four rounds on the halves (A B E F) and (C D G H), with four words of the schedule.
__attribute__((target("sha,sse4.1,ssse3"))) inline void four_rounds(__m128i& abef, __m128i& cdgh, __m128i words,
                                                                    const std::uint32_t* constants) {
  const __m128i sum = _mm_add_epi32(words, _mm_load_si128(vector_at(constants)));
  cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
  abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
}

}  // namespace

bool Sha256Instructions::available() {
  static const bool has = has_instructions();
  return has;
}

__attribute__((target("sha,sse4.1,ssse3"))) void Sha256Instructions::compress(std::array<std::uint32_t, 8>& state,
                                                                              const std::uint8_t* blocks,
                                                                              std::size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(vector_at(&state[0])), 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(vector_at(&state[4])), 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
  for (; count > 0; --count, blocks += kBlockBytes) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(vector_at(blocks)), big_endian);
    __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(vector_at(blocks + 16)), big_endian);
    __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(vector_at(blocks + 32)), big_endian);
    __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(vector_at(blocks + 48)), big_endian);
    for (std::size_t round = 0; round < 48; round += 4) {
      four_rounds(abef, cdgh, w0, &kRounds[round]);
      const __m128i seven_before = _mm_alignr_epi8(w3, w2, 4);
      const __m128i next = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), seven_before), w3);
      w0 = w1;
      w1 = w2;
      w2 = w3;
      w3 = next;
    }
    four_rounds(abef, cdgh, w0, &kRounds[48]);
    four_rounds(abef, cdgh, w1, &kRounds[52]);
    four_rounds(abef, cdgh, w2, &kRounds[56]);
    four_rounds(abef, cdgh, w3, &kRounds[60]);
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128(vector_at(&state[0]), _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(vector_at(&state[4]), _mm_alignr_epi8(dchg, feba, 8));
}

#else

bool Sha256Instructions::available() { return false; }

void Sha256Instructions::compress(std::array<std::uint32_t, 8>&, const std::uint8_t*, std::size_t) { Expects(false); }

#endif

void Sha256Instructions::update(ByteView bytes) {
  std::size_t held = static_cast<std::size_t>(bytes_ % kBlockBytes);
  bytes_ += bytes.size();
  if (held > 0) {
    const std::size_t taken = std::min(bytes.size(), kBlockBytes - held);
    std::copy_n(bytes.begin(), taken, block_.begin() + static_cast<std::ptrdiff_t>(held));
    bytes = bytes.subspan(taken);
    held += taken;
    if (held < kBlockBytes) return;
    compress(state_, block_.data(), 1);
  }
  if (const std::size_t whole = bytes.size() / kBlockBytes; whole > 0) {
    compress(state_, bytes.data(), whole);
    bytes = bytes.subspan(whole * kBlockBytes);
  }
  std::copy(bytes.begin(), bytes.end(), block_.begin());
}

Hash256 Sha256Instructions::finish() {
  // A one bit, zeros, and how many bits there were, to the end of a block. [FIPS 180-4, 5.1.1]
  const std::uint64_t bits = bytes_ * 8;
  std::array<std::uint8_t, kBlockBytes + 8> tail{0x80};
  const auto held = static_cast<std::size_t>(bytes_ % kBlockBytes);
  const std::size_t zeros_end = (held < kBlockBytes - 8 ? kBlockBytes : 2 * kBlockBytes) - 8 - held;
  for (std::size_t i = 0; i < 8; ++i) tail[zeros_end + i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  update(ByteView{tail}.first(zeros_end + 8));
  Hash256 digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  state_ = kStart;
  bytes_ = 0;
  return digest;
}

}  // namespace hedgerow::security
