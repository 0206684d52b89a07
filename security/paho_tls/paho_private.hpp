// What security/paho_tls needs of Paho C's inside: declarations of ours for the structures and functions of exactly
// Paho C 1.3.14 as Debian builds it (dependencies.lock pins it). Debian's package has only public headers.
//
// check_paho.cmake compares the symbols on both sides of this seam with the archive at build time, and the offsets
// below are asserted; layouts were read from the machine code of the locked archives for amd64, arm64 and armhf. Thread
// rule: Paho calls across this seam from its send thread and its receive thread, and from MQTTAsync_destroy().
#pragma once

#include <MQTTClient.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cstddef>

extern "C" {

// OpenSSL's names in Paho's signatures; to us, SSL is a session of ours and SSL_CTX is never made.
struct ssl_st;
struct ssl_ctx_st;
using SSL = ssl_st;
using SSL_CTX = ssl_ctx_st;
using SOCKET = int;

// LinkedList.h
struct List;
struct ListElement;
ListElement* ListAppend(List* list, void* content, std::size_t size);

// Heap.h: what Paho frees must come from here.
void* mymalloc(char* file, int line, std::size_t size);
void myfree(char* file, int line, void* memory);

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
struct pending_writes {
  SOCKET socket;
  int count;
  std::size_t total;
  SSL* ssl;
  std::size_t bytes;
  iovec iovecs[5];
  int frees[5];
};
int SocketBuffer_getQueuedChar(SOCKET socket, char* character);
char* SocketBuffer_getQueuedData(SOCKET socket, std::size_t bytes, std::size_t* actual_length);
void SocketBuffer_interrupted(SOCKET socket, std::size_t actual_length);
char* SocketBuffer_complete(SOCKET socket);
void SocketBuffer_queueChar(SOCKET socket, char character);
int SocketBuffer_pendingWrite(SOCKET socket, SSL* ssl, int count, iovec* iovecs, int* frees, std::size_t total,
                              std::size_t bytes);

// Socket.h
struct PacketBuffers {
  int count;
  char** buffers;
  std::size_t* lengths;
  int* frees;
  unsigned char mask[4];
};

// The beginning of `Sockets mod_s`.
struct Sockets {
  List* connect_pending;
  List* write_pending;
};
extern Sockets mod_s;
// MQTTAsync.c: guards mod_s; recursive. Taken after Paho's client lock, never before.
extern pthread_mutex_t* socket_mutex;

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
static_assert(offsetof(pending_writes, ssl) == 16);
static_assert(offsetof(pending_writes, iovecs) == 32);
static_assert(offsetof(Sockets, write_pending) == 8);
#else
static_assert(offsetof(networkHandles, ssl) == 56);
static_assert(offsetof(networkHandles, ctx) == 60);
static_assert(offsetof(pending_writes, ssl) == 12);
static_assert(offsetof(pending_writes, iovecs) == 20);
static_assert(offsetof(Sockets, write_pending) == 4);
#endif

}  // namespace hedgerow::security
