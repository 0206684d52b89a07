// What other files of Paho than its SSLSocket.c name of OpenSSL and of its Base64.c.
//
// The linker redirects each OpenSSL name to the function here that has "__wrap_" before it (CMakeLists.txt), so that no
// symbol of that library's names is in any binary. Sessions are never resumed, and WebSocket is never dialled with
// Paho: link_paho only makes URIs that begin with "mqtts://". Thread rule: safe from any thread.

#include <mbedtls/base64.h>
#include <mbedtls/version.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void never_called(const char* name) {
  std::fprintf(stderr, "hedgerow: fault: Paho called %s, which only WebSocket connections need\n", name);
  std::abort();
}

}  // namespace

extern "C" {

// Prototypes, since no header of ours declares what OpenSSL's would.
const char* __wrap_OpenSSL_version(int kind);
void __wrap_OPENSSL_thread_stop(void);
void* __wrap_SSL_get1_session(void* ssl);
int __wrap_SSL_set_session(void* ssl, void* session);
void __wrap_SSL_SESSION_free(void* session);
void* __wrap_EVP_MD_CTX_new(void);
void __wrap_EVP_MD_CTX_free(void* context);
const void* __wrap_EVP_sha1(void);
int __wrap_EVP_DigestInit(void* context, const void* type);
int __wrap_EVP_DigestUpdate(void* context, const void* data, std::size_t length);
int __wrap_EVP_DigestFinal(void* context, unsigned char* digest, unsigned* length);
int __wrap_RAND_bytes(unsigned char* out, int length);
unsigned Base64_encode(char* out, unsigned out_length, const unsigned char* in, unsigned in_length);
unsigned Base64_encodeLength(const unsigned char* in, unsigned in_length);

const char* __wrap_OpenSSL_version(int /*kind*/) { return MBEDTLS_VERSION_STRING_FULL; }
void __wrap_OPENSSL_thread_stop(void) {}

void* __wrap_SSL_get1_session(void* /*ssl*/) { return nullptr; }
int __wrap_SSL_set_session(void* /*ssl*/, void* /*session*/) { return 1; }
void __wrap_SSL_SESSION_free(void* /*session*/) {}

void* __wrap_EVP_MD_CTX_new(void) { never_called("EVP_MD_CTX_new"); }
void __wrap_EVP_MD_CTX_free(void* /*context*/) { never_called("EVP_MD_CTX_free"); }
const void* __wrap_EVP_sha1(void) { never_called("EVP_sha1"); }
int __wrap_EVP_DigestInit(void* /*context*/, const void* /*type*/) { never_called("EVP_DigestInit"); }
int __wrap_EVP_DigestUpdate(void* /*context*/, const void* /*data*/, std::size_t /*length*/) {
  never_called("EVP_DigestUpdate");
}
int __wrap_EVP_DigestFinal(void* /*context*/, unsigned char* /*digest*/, unsigned* /*length*/) {
  never_called("EVP_DigestFinal");
}
int __wrap_RAND_bytes(unsigned char* /*out*/, int /*length*/) { never_called("RAND_bytes"); }

// Paho encodes the password of an HTTP proxy with it.
unsigned Base64_encode(char* out, unsigned out_length, const unsigned char* in, unsigned in_length) {
  std::size_t written = 0;
  const int status = mbedtls_base64_encode(reinterpret_cast<unsigned char*>(out), out_length, &written, in, in_length);
  return status == 0 ? static_cast<unsigned>(written) : 0;
}

// Length of the text; Paho adds one for its terminating NUL.
unsigned Base64_encodeLength(const unsigned char* /*in*/, unsigned in_length) { return (in_length + 2) / 3 * 4; }

}  // extern "C"
