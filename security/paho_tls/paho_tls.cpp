#include "security/paho_tls/paho_tls.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "security/paho_tls/paho_private.hpp"
#include "security/paho_tls/session.hpp"

namespace hedgerow::security {

namespace {

using Result = PahoSession::Result;

// Paho resumes a pending write once per turn of its receive loop, which waits up to a second: a resumed write stays
// this long at it instead, as long as the socket goes on taking bytes.
constexpr int kWriteWaitMs = 20;
constexpr int kWriteWaitsMax = 5;

struct Module {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<PahoReport>, std::less<>> reports;
  std::uint64_t next_token = 1;
  // Sockets of which decrypted bytes wait that no poll() will ever show.
  std::vector<int> pending_reads;
};

// Never destroyed: Paho's threads may outlive main().
Module& module() {
  static auto* const instance = new Module;
  return *instance;
}

PahoSession& session(SSL* ssl) { return *reinterpret_cast<PahoSession*>(ssl); }

void add_pending_read(int socket) {
  Module& shared = module();
  const std::lock_guard lock(shared.mutex);
  if (std::find(shared.pending_reads.begin(), shared.pending_reads.end(), socket) == shared.pending_reads.end()) {
    shared.pending_reads.push_back(socket);
  }
}

void drop_pending_read(int socket) {
  Module& shared = module();
  const std::lock_guard lock(shared.mutex);
  std::erase(shared.pending_reads, socket);
}

// Paho's heap counts what it gives by file and line, and wants a char* that it does not change.
template <class T>
T* paho_allocate(std::size_t bytes) {
  static char name[] = "security/paho_tls";
  return static_cast<T*>(mymalloc(name, 0, bytes));
}

void paho_free(void* memory) {
  static char name[] = "security/paho_tls";
  myfree(name, 0, memory);
}

Bytes joined(const char* first, std::size_t first_length, const PacketBuffers& more) {
  std::size_t total = first_length;
  for (int i = 0; i < more.count; ++i) total += more.lengths[i];
  Bytes all;
  all.reserve(total);
  append(all, as_bytes({first, first_length}));
  for (int i = 0; i < more.count; ++i) {
    if (more.buffers[i] != nullptr) append(all, as_bytes({more.buffers[i], more.lengths[i]}));
  }
  return all;
}

// Leaves the rest of a write to Paho, which calls SSLSocket_continueWrite() until it is done. False: no memory.
bool leave_pending(SSL* ssl, int socket, ByteView rest) {
  auto* const copy = paho_allocate<char>(std::max<std::size_t>(rest.size(), 1));
  auto* const descriptor = paho_allocate<int>(sizeof(int));
  if (copy == nullptr || descriptor == nullptr) {
    if (copy != nullptr) paho_free(copy);
    if (descriptor != nullptr) paho_free(descriptor);
    return false;
  }
  std::copy(rest.begin(), rest.end(), copy);
  session(ssl).pending_taken = 0;
  *descriptor = socket;
  iovec whole{.iov_base = copy, .iov_len = rest.size()};
  int free_it = 1;
  // Paho's receive thread walks both lists under this lock.
  pthread_mutex_lock(socket_mutex);
  SocketBuffer_pendingWrite(socket, ssl, 1, &whole, &free_it, rest.size(), 0);
  ListAppend(mod_s.write_pending, descriptor, sizeof(int));
  pthread_mutex_unlock(socket_mutex);
  return true;
}

}  // namespace

void PahoReport::begin() {
  const std::lock_guard lock(mutex_);
  peer_.reset();
  error_.clear();
}

void PahoReport::set_peer(const PeerIdentity& peer) {
  const std::lock_guard lock(mutex_);
  peer_ = peer;
}

void PahoReport::set_error(std::string error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
}

std::optional<PeerIdentity> PahoReport::peer() const {
  const std::lock_guard lock(mutex_);
  return peer_;
}

std::string PahoReport::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

PahoTls::PahoTls(std::shared_ptr<const TlsContext> context)
    : report_(std::make_shared<PahoReport>(std::move(context))) {
  Module& shared = module();
  const std::lock_guard lock(shared.mutex);
  token_ = "hedgerow-tls-" + std::to_string(shared.next_token++);
  shared.reports.emplace(token_, report_);
}

PahoTls::~PahoTls() {
  Module& shared = module();
  const std::lock_guard lock(shared.mutex);
  shared.reports.erase(token_);
}

void wake_paho_sender() { Thread_signal_cond(send_cond); }

}  // namespace hedgerow::security

using hedgerow::as_bytes;
using hedgerow::ByteView;
using namespace hedgerow::security;

extern "C" {

int SSLSocket_initialize(void) { return 0; }
void SSLSocket_terminate(void) {}
void SSLSocket_handleOpensslInit(int /*yes*/) {}

// 1 is success, exactly 0 is failure; any other value counts as success.
int SSLSocket_setSocketForSSL(networkHandles* net, MQTTClient_SSLOptions* options, const char* /*host*/,
                              std::size_t /*host_length*/) {
  std::shared_ptr<PahoReport> report;
  if (options != nullptr && options->keyStore != nullptr) {
    Module& shared = module();
    const std::lock_guard lock(shared.mutex);
    if (const auto found = shared.reports.find(std::string_view{options->keyStore}); found != shared.reports.end()) {
      report = found->second;
    }
  }
  if (report == nullptr) return 0;
  report->begin();
  auto made = PahoSession::create(net->socket, std::move(report));
  if (made == nullptr) return 0;
  net->ssl = reinterpret_cast<SSL*>(made.release());
  return 1;
}

// 1 is success. A failure is SSL_FATAL: -1 would wait for the time-out.
int SSLSocket_connect(SSL* ssl, SOCKET /*socket*/, const char* /*host*/, int /*verify*/, SslErrorCallback /*callback*/,
                      void* /*context*/) {
  switch (session(ssl).connect()) {
    case Result::kDone: return 1;
    case Result::kWouldBlock: return kPahoInterrupted;
    case Result::kFailed: return kPahoFatal;
  }
  return kPahoFatal;
}

int SSLSocket_getch(SSL* ssl, SOCKET socket, char* character) {
  if (const int queued = SocketBuffer_getQueuedChar(socket, character); queued != kPahoInterrupted) return queued;
  std::size_t count = 0;
  switch (session(ssl).read(character, 1, count)) {
    case Result::kDone: SocketBuffer_queueChar(socket, *character); return kPahoComplete;
    case Result::kWouldBlock: SocketBuffer_interrupted(socket, 0); return kPahoInterrupted;
    case Result::kFailed: return kPahoError;
  }
  return kPahoError;
}

char* SSLSocket_getdata(SSL* ssl, SOCKET socket, std::size_t bytes, std::size_t* actual_length, int* status) {
  char* buffer = nullptr;
  if (bytes == 0) {
    buffer = SocketBuffer_complete(socket);
  } else {
    buffer = SocketBuffer_getQueuedData(socket, bytes, actual_length);
    if (buffer == nullptr) return nullptr;
    if (*actual_length < bytes) {
      std::size_t count = 0;
      const Result result = session(ssl).read(buffer + *actual_length, bytes - *actual_length, count);
      *actual_length += count;
      if (result == Result::kFailed) {
        *status = kPahoError;
        return nullptr;
      }
    }
    if (*actual_length < bytes) {
      SocketBuffer_interrupted(socket, *actual_length);
      return buffer;
    }
    SocketBuffer_complete(socket);
  }
  *status = kPahoComplete;
  if (session(ssl).has_decrypted()) add_pending_read(socket);
  return buffer;
}

SOCKET SSLSocket_getPendingRead(void) {
  Module& shared = module();
  const std::lock_guard lock(shared.mutex);
  if (shared.pending_reads.empty()) return -1;
  const int socket = shared.pending_reads.front();
  shared.pending_reads.erase(shared.pending_reads.begin());
  return socket;
}

// 0: sent, the caller frees its buffers. kPahoInterrupted: we keep the rest, and free them.
int SSLSocket_putdatas(SSL* ssl, SOCKET socket, char* first, std::size_t first_length, PacketBuffers more) {
  PahoSession& tls = session(ssl);
  if (tls.is_writing()) return kPahoError;  // Paho asks for no second write while one is pending
  const hedgerow::Bytes all = joined(first, first_length, more);
  std::size_t taken = 0;
  switch (tls.write(all, taken)) {
    case Result::kDone: return kPahoComplete;
    case Result::kFailed: return kPahoError;
    case Result::kWouldBlock: break;
  }
  if (!leave_pending(ssl, socket, ByteView{all}.subspan(taken))) return kPahoError;
  paho_free(first);
  for (int i = 0; i < more.count; ++i) {
    if (more.frees[i] == 0) continue;
    paho_free(more.buffers[i]);
    more.buffers[i] = nullptr;
  }
  return kPahoInterrupted;
}

// 1 done, 0 not yet, -1 error. The copy is freed when nobody will ask again.
int SSLSocket_continueWrite(pending_writes* write) {
  PahoSession& tls = session(write->ssl);
  const iovec& whole = write->iovecs[0];
  for (int waits = 0;; ++waits) {
    const ByteView rest =
        as_bytes({static_cast<const char*>(whole.iov_base), whole.iov_len}).subspan(tls.pending_taken);
    std::size_t taken = 0;
    const Result result = tls.write(rest, taken);
    tls.pending_taken += taken;
    if (result != Result::kWouldBlock) {
      paho_free(whole.iov_base);
      return result == Result::kDone ? 1 : kPahoError;
    }
    pollfd writable{.fd = write->socket, .events = POLLOUT, .revents = 0};
    if (waits == kWriteWaitsMax || ::poll(&writable, 1, kWriteWaitMs) <= 0) return 0;
  }
}

// Runs after SSLSocket_close(): write->ssl is gone.
int SSLSocket_abortWrite(pending_writes* write) {
  paho_free(write->iovecs[0].iov_base);
  return 0;
}

int SSLSocket_close(networkHandles* net) {
  drop_pending_read(net->socket);
  if (net->ssl != nullptr) {
    const std::unique_ptr<PahoSession> closing(&session(net->ssl));
    closing->close();
  }
  net->ssl = nullptr;
  net->ctx = nullptr;
  return 1;
}

}  // extern "C"
