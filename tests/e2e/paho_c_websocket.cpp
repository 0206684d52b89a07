// What Paho C needs of OpenSSL to speak WebSocket, for the scenarios only: the daemon dials none, so the functions of
// security/paho_tls/openssl_names.cpp end the process. These take their place, whole, since the linker meets them
// first. Thread rule: safe from any thread.
#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>

#include <cstddef>
#include <cstdint>
#include <random>

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

const char* __wrap_OpenSSL_version(int /*kind*/) { return "none"; }
void __wrap_OPENSSL_thread_stop(void) {}
void* __wrap_SSL_get1_session(void* /*ssl*/) { return nullptr; }
int __wrap_SSL_set_session(void* /*ssl*/, void* /*session*/) { return 1; }
void __wrap_SSL_SESSION_free(void* /*session*/) {}

// RFC 6455 asks for SHA-1 where it proves that the server read the request.
void* __wrap_EVP_MD_CTX_new(void) {
  auto* context = new mbedtls_sha1_context;
  mbedtls_sha1_init(context);
  return context;
}
void __wrap_EVP_MD_CTX_free(void* context) {
  auto* sha1 = static_cast<mbedtls_sha1_context*>(context);
  mbedtls_sha1_free(sha1);
  delete sha1;
}
const void* __wrap_EVP_sha1(void) { return ""; }
int __wrap_EVP_DigestInit(void* context, const void* /*type*/) {
  return mbedtls_sha1_starts(static_cast<mbedtls_sha1_context*>(context)) == 0 ? 1 : 0;
}
int __wrap_EVP_DigestUpdate(void* context, const void* data, std::size_t length) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  return mbedtls_sha1_update(static_cast<mbedtls_sha1_context*>(context), bytes, length) == 0 ? 1 : 0;
}
int __wrap_EVP_DigestFinal(void* context, unsigned char* digest, unsigned* length) {
  if (length != nullptr) *length = 20;
  return mbedtls_sha1_finish(static_cast<mbedtls_sha1_context*>(context), digest) == 0 ? 1 : 0;
}
int __wrap_RAND_bytes(unsigned char* out, int length) {
  std::random_device random;
  for (int i = 0; i < length; ++i) out[i] = static_cast<unsigned char>(random());
  return 1;
}

unsigned Base64_encode(char* out, unsigned out_length, const unsigned char* in, unsigned in_length) {
  std::size_t written = 0;
  const int status = mbedtls_base64_encode(reinterpret_cast<unsigned char*>(out), out_length, &written, in, in_length);
  return status == 0 ? static_cast<unsigned>(written) : 0;
}
unsigned Base64_encodeLength(const unsigned char* /*in*/, unsigned in_length) { return (in_length + 2) / 3 * 4; }

}  // extern "C"
