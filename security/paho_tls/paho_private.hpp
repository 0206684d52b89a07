// What security/paho_tls needs of Paho C's inside: declarations of ours for the structures and functions of exactly
// Paho C 1.3.14 as Debian builds it (dependencies.lock pins it). Debian's package has only public headers.
//
// HedgerowPaho.cmake compares the symbols on both sides of this seam with the archive at build time, and the offsets
// below are asserted; layouts were read from the machine code of the locked archives for amd64, arm64 and armhf. Thread
// rule: Paho calls across this seam from its send thread and its receive thread, and from MQTTAsync_destroy().
#pragma once

#include <MQTTClient.h>
#include <sys/time.h>

#include <cstddef>

extern "C" {

// OpenSSL's names in Paho's signatures; to us, SSL is a session of ours and SSL_CTX is never made.
struct ssl_st;
struct ssl_ctx_st;
using SSL = ssl_st;
using SSL_CTX = ssl_ctx_st;
using SOCKET = int;

// Clients.h: the beginning of networkHandles.
struct networkHandles {
  SOCKET socket;
  timeval last_sent;
  timeval last_received;
  timeval last_ping;
  SSL* ssl;
  SSL_CTX* ctx;
};

// SocketBuffer.h
struct pending_writes;
int SocketBuffer_getQueuedChar(SOCKET socket, char* character);
char* SocketBuffer_getQueuedData(SOCKET socket, std::size_t bytes, std::size_t* actual_length);
void SocketBuffer_interrupted(SOCKET socket, std::size_t actual_length);
char* SocketBuffer_complete(SOCKET socket);
void SocketBuffer_queueChar(SOCKET socket, char character);

// Socket.h
struct PacketBuffers {
  int count;
  char** buffers;
  std::size_t* lengths;
  int* frees;
  unsigned char mask[4];
};

// Thread.h, MQTTAsync.c: what the send thread waits on.
struct cond_type_struct;
extern cond_type_struct* send_cond;
int Thread_signal_cond(cond_type_struct* condition);

using SslErrorCallback = int (*)(const char* text, std::size_t length, void* context);

// What Paho calls, and we define: SSLSocket.h …
int SSLSocket_initialize(void);
void SSLSocket_terminate(void);
void SSLSocket_handleOpensslInit(int yes);
int SSLSocket_setSocketForSSL(networkHandles* net, MQTTClient_SSLOptions* options, const char* host,
                              std::size_t host_length);
int SSLSocket_connect(SSL* ssl, SOCKET socket, const char* host, int verify, SslErrorCallback callback, void* context);
int SSLSocket_getch(SSL* ssl, SOCKET socket, char* character);
char* SSLSocket_getdata(SSL* ssl, SOCKET socket, std::size_t bytes, std::size_t* actual_length, int* status);
int SSLSocket_putdatas(SSL* ssl, SOCKET socket, char* first, std::size_t first_length, PacketBuffers more);
SOCKET SSLSocket_getPendingRead(void);
int SSLSocket_continueWrite(pending_writes* write);
int SSLSocket_abortWrite(pending_writes* write);
int SSLSocket_close(networkHandles* net);

}  // extern "C"

namespace hedgerow::security {

// Socket.h's numbers.
inline constexpr int kPahoComplete = 0;
inline constexpr int kPahoError = -1;
inline constexpr int kPahoInterrupted = -22;
inline constexpr int kPahoFatal = -3;

static_assert(sizeof(timeval) == 16, "Paho was built with a 64-bit time_t: so must this file be");
#if __SIZEOF_POINTER__ == 8
static_assert(offsetof(networkHandles, ssl) == 56);
static_assert(offsetof(networkHandles, ctx) == 64);
#else
static_assert(offsetof(networkHandles, ssl) == 56);
static_assert(offsetof(networkHandles, ctx) == 60);
#endif

}  // namespace hedgerow::security
