#include "security/paho_tls/paho_tls.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "security/paho_tls/flusher.hpp"
#include "security/paho_tls/paho_private.hpp"
#include "security/paho_tls/session.hpp"

namespace hedgerow::security {

namespace {

using Result = PahoSession::Result;

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

using SessionHandle = std::shared_ptr<PahoSession>;

PahoSession& session(SSL* ssl) { return **reinterpret_cast<SessionHandle*>(ssl); }

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
  if (error_.empty()) error_ = std::move(error);
}

std::optional<PeerIdentity> PahoReport::peer() const {
  const std::lock_guard lock(mutex_);
  return peer_;
}

std::string PahoReport::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

PahoTls::PahoTls(std::shared_ptr<const TlsContext> context, PahoReport::OnUnsent on_unsent)
    : report_(std::make_shared<PahoReport>(std::move(context), std::move(on_unsent))) {
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
  net->ssl = reinterpret_cast<SSL*>(new SessionHandle(std::move(made)));
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
  if (bytes > kPahoPacketBytesMax) {
    session(ssl).refuse("the peer announced a packet of " + std::to_string(bytes) + " bytes, which is too large");
    *status = kPahoError;
    return nullptr;
  }
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

// 0: taken, the caller frees its buffers. Never "interrupted": the flusher sends what the socket did not take.
int SSLSocket_putdatas(SSL* ssl, SOCKET /*socket*/, char* first, std::size_t first_length, PacketBuffers more) {
  return session(ssl).write(joined(first, first_length, more)) ? kPahoComplete : kPahoError;
}

// Paho calls these two only for writes that putdatas() left interrupted.
int SSLSocket_continueWrite(pending_writes* /*write*/) { return kPahoError; }
int SSLSocket_abortWrite(pending_writes* /*write*/) { return kPahoComplete; }

int SSLSocket_close(networkHandles* net) {
  drop_pending_read(net->socket);
  if (net->ssl != nullptr) {
    const std::unique_ptr<SessionHandle> handle(reinterpret_cast<SessionHandle*>(net->ssl));
    (*handle)->close();
    Flusher::get().forget(net->socket);
  }
  net->ssl = nullptr;
  net->ctx = nullptr;
  return 1;
}

}  // extern "C"
