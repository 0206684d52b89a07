// Paho MQTT C against a broker, by its own C interface: paho-c-scenarios SCENARIO URL [KEY=VALUE...]
// URL: mqtt, mqtts or ws://HOST:PORT. Keys: version (4 or 5), delay (of the will, in seconds), user and password,
// identity (for mqtts: a data directory with an identity of the mesh).
// Exit status 0: everything came as it must.
#include <MQTTAsync.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "security/paho_tls/paho_tls.hpp"

namespace {

constexpr std::chrono::seconds kPatience{30};
// Few: Paho waits for up to a second where it misses the signal of a request (security/paho_tls/paho_tls.hpp).
constexpr int kCount = 5;
constexpr int kJobs = 10;

struct Arguments {
  std::string url;
  bool is_v5 = true;
  int delay_s = 0;
  std::string user = {};
  std::string password = {};
  std::shared_ptr<hedgerow::security::PahoTls> tls = {};  // null: plaintext
};

struct Message {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool retained = false;
  std::string content_type;
};

void expect(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("not so: " + what);
}

void must(int code, const std::string& what) {
  if (code != MQTTASYNC_SUCCESS) throw std::runtime_error(what + ": code " + std::to_string(code));
}

// What Paho answers to one request, on a thread of its own.
class Answer {
 public:
  // The reason code or granted QoS. Throws on a failure.
  int wait() {
    auto future = promise_.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) throw std::runtime_error("no answer");
    return future.get();
  }
  bool session_present = false;

  static void on_success(void* context, MQTTAsync_successData* data) {
    // What is in the union depends on the request; only CONNECT is asked for more.
    static_cast<Answer*>(context)->promise_.set_value(data == nullptr ? 0 : data->alt.qos);
  }
  static void on_connected(void* context, MQTTAsync_successData* data) {
    auto* answer = static_cast<Answer*>(context);
    answer->session_present = data->alt.connect.sessionPresent != 0;
    answer->promise_.set_value(0);
  }
  static void on_failure(void* context, MQTTAsync_failureData* data) {
    static_cast<Answer*>(context)->fail(data == nullptr ? -1 : data->code);
  }
  static void on_success5(void* context, MQTTAsync_successData5* data) {
    static_cast<Answer*>(context)->promise_.set_value(data == nullptr ? 0 : data->reasonCode);
  }
  static void on_connected5(void* context, MQTTAsync_successData5* data) {
    auto* answer = static_cast<Answer*>(context);
    answer->session_present = data->alt.connect.sessionPresent != 0;
    answer->promise_.set_value(data->reasonCode);
  }
  static void on_failure5(void* context, MQTTAsync_failureData5* data) {
    static_cast<Answer*>(context)->fail(data == nullptr ? -1 : data->code);
  }

 private:
  void fail(int code) {
    promise_.set_exception(
        std::make_exception_ptr(std::runtime_error("the request failed with " + std::to_string(code))));
  }
  std::promise<int> promise_;
};

struct Session {
  std::string client_id;
  bool is_clean = true;
  bool lasts = false;
  bool has_will = false;
};

class Client {
 public:
  Client(const Arguments& arguments, const Session& session) : arguments_(arguments) {
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
    options.MQTTVersion = arguments.is_v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    must(MQTTAsync_createWithOptions(&handle_, arguments.url.c_str(), session.client_id.c_str(),
                                     MQTTCLIENT_PERSISTENCE_NONE, nullptr, &options),
         "create");
    must(MQTTAsync_setCallbacks(handle_, this, nullptr, on_message, nullptr), "set callbacks");
    connect(session);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { MQTTAsync_destroy(&handle_); }

  [[nodiscard]] bool session_present() const { return session_present_; }

  void subscribe(const std::string& filter, int qos) {
    const int granted = ask([&](MQTTAsync_responseOptions& options) {
      return MQTTAsync_subscribe(handle_, filter.c_str(), qos, &options);
    });
    expect(granted == qos, "QoS " + std::to_string(qos) + " is granted, not " + std::to_string(granted));
  }
  // Returns when the exchange is complete, with QoS 2 after PUBCOMP.
  void publish(const std::string& topic, const std::string& payload, int qos, bool retained = false) {
    MQTTAsync_message message = MQTTAsync_message_initializer;
    std::string content(payload);
    message.payload = content.data();
    message.payloadlen = static_cast<int>(content.size());
    message.qos = qos;
    message.retained = retained ? 1 : 0;
    if (arguments_.is_v5) add_text(message.properties, MQTTPROPERTY_CODE_CONTENT_TYPE, "text/plain");
    ask([&](MQTTAsync_responseOptions& options) {
      return MQTTAsync_sendMessage(handle_, topic.c_str(), &message, &options);
    });
    MQTTProperties_free(&message.properties);
  }
  bool next(Message& out, std::chrono::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, patience, [this] { return !messages_.empty(); })) return false;
    out = std::move(messages_.front());
    messages_.pop_front();
    return true;
  }
  Message next() {
    Message message;
    expect(next(message), "a message comes");
    return message;
  }
  void disconnect() {
    Answer answer;
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    options.timeout = 10'000;
    options.context = &answer;
    if (arguments_.is_v5) {
      options.onSuccess5 = Answer::on_success5;
      options.onFailure5 = Answer::on_failure5;
    } else {
      options.onSuccess = Answer::on_success;
      options.onFailure = Answer::on_failure;
    }
    must(MQTTAsync_disconnect(handle_, &options), "disconnect");
    answer.wait();
  }

 private:
  void connect(const Session& session) {
    Answer answer;
    MQTTAsync_connectOptions v4 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions& options = arguments_.is_v5 ? v5 : v4;
    options.connectTimeout = 30;
    options.context = &answer;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    will.topicName = "will";
    will.message = "gone";
    will.qos = 2;
    if (session.has_will) options.will = &will;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    if (arguments_.tls) {
      ssl.keyStore = arguments_.tls->token().c_str();
      options.ssl = &ssl;
    }
    if (!arguments_.user.empty()) {
      options.username = arguments_.user.c_str();
      options.password = arguments_.password.c_str();
    }
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperties will_properties = MQTTProperties_initializer;
    if (arguments_.is_v5) {
      options.cleanstart = session.is_clean ? 1 : 0;
      if (session.lasts) add_number(properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, 3600);
      if (arguments_.delay_s > 0) {
        add_number(will_properties, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, arguments_.delay_s);
      }
      options.connectProperties = &properties;
      options.willProperties = session.has_will ? &will_properties : nullptr;
      options.onSuccess5 = Answer::on_connected5;
      options.onFailure5 = Answer::on_failure5;
    } else {
      options.cleansession = session.lasts ? 0 : 1;
      options.onSuccess = Answer::on_connected;
      options.onFailure = Answer::on_failure;
    }
    must(MQTTAsync_connect(handle_, &options), "connect");
    answer.wait();
    session_present_ = answer.session_present;
    MQTTProperties_free(&properties);
    MQTTProperties_free(&will_properties);
  }
  int ask(const std::function<int(MQTTAsync_responseOptions&)>& request) {
    Answer answer;
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = &answer;
    if (arguments_.is_v5) {
      options.onSuccess5 = Answer::on_success5;
      options.onFailure5 = Answer::on_failure5;
    } else {
      options.onSuccess = Answer::on_success;
      options.onFailure = Answer::on_failure;
    }
    must(request(options), "request");
    return answer.wait();
  }
  static void add_number(MQTTProperties& properties, MQTTPropertyCodes code, int value) {
    MQTTProperty property{};
    property.identifier = code;
    property.value.integer4 = static_cast<unsigned>(value);
    must(MQTTProperties_add(&properties, &property), "property");
  }
  static void add_text(MQTTProperties& properties, MQTTPropertyCodes code, std::string text) {
    MQTTProperty property{};
    property.identifier = code;
    property.value.data = {.len = static_cast<int>(text.size()), .data = text.data()};
    must(MQTTProperties_add(&properties, &property), "property");
  }
  static int on_message(void* context, char* topic, int length, MQTTAsync_message* arrived) {
    auto* client = static_cast<Client*>(context);
    Message message{.topic = length > 0 ? std::string(topic, static_cast<std::size_t>(length)) : std::string(topic),
                    .payload = std::string(static_cast<const char*>(arrived->payload),
                                           static_cast<std::size_t>(arrived->payloadlen)),
                    .qos = arrived->qos,
                    .retained = arrived->retained != 0,
                    .content_type = {}};
    if (MQTTProperty* type = MQTTProperties_getProperty(&arrived->properties, MQTTPROPERTY_CODE_CONTENT_TYPE)) {
      message.content_type.assign(type->value.data.data, static_cast<std::size_t>(type->value.data.len));
    }
    MQTTAsync_freeMessage(&arrived);
    MQTTAsync_free(topic);
    const std::lock_guard lock(client->mutex_);
    client->messages_.push_back(std::move(message));
    client->arrived_.notify_one();
    return 1;
  }

  const Arguments arguments_;
  MQTTAsync handle_ = nullptr;
  bool session_present_ = false;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Message> messages_;
};

void round_trip(const Arguments& arguments) {
  Client client(arguments, {.client_id = "c-trip"});
  client.subscribe("c/#", 2);
  for (int qos = 0; qos <= 2; ++qos) {
    const std::string topic = "c/" + std::to_string(qos);
    for (int i = 0; i < kCount; ++i) client.publish(topic, std::to_string(i), qos);
    for (int i = 0; i < kCount; ++i) {
      const Message message = client.next();
      expect(message.topic == topic && message.payload == std::to_string(i) && message.qos == qos && !message.retained,
             topic + " brings " + std::to_string(i) + ", not " + message.topic + " " + message.payload);
      expect(message.content_type == (arguments.is_v5 ? "text/plain" : ""), "its content type");
    }
  }
  client.publish("c/cell", "kept", 2, /*retained=*/true);
  expect(!client.next().retained, "a new message is not marked retained");
  Client late(arguments, {.client_id = "c-late"});
  late.subscribe("c/cell", 2);
  const Message kept = late.next();
  expect(kept.payload == "kept" && kept.retained && kept.qos == 2, "the retained message comes, at QoS 2");
  late.publish("c/cell", "", 1, /*retained=*/true);
  late.disconnect();
  client.disconnect();
}

void shared(const Arguments& arguments) {
  Client one(arguments, {.client_id = "c-one"});
  Client other(arguments, {.client_id = "c-other"});
  one.subscribe("$share/workers/job", 2);
  other.subscribe("$share/workers/job", 2);
  Client publisher(arguments, {.client_id = "c-jobs"});
  for (int i = 0; i < kJobs; ++i) publisher.publish("job", std::to_string(i), 2);
  std::map<std::string, int> seen;
  std::map<const Client*, int> worked;
  while (seen.size() < kJobs) {
    for (Client* member : {&one, &other}) {
      Message message;
      while (member->next(message, std::chrono::milliseconds{50})) {
        expect(++seen[message.payload] == 1, message.payload + " comes to one member, once");
        ++worked[member];
      }
    }
  }
  expect(worked.size() == 2, "each member works");
}

void session_begin(const Arguments& arguments) {
  Client client(arguments, {.client_id = "lasting", .lasts = true});
  expect(!client.session_present(), "the session is new");
  client.subscribe("queue", 2);
  client.disconnect();
}

void session_resume(const Arguments& arguments) {
  Client client(arguments, {.client_id = "lasting", .is_clean = false, .lasts = true});
  expect(client.session_present(), "the session is there");
  // In order at each QoS: clients hand a message of QoS 2 on when it is released, so those of QoS 1 may overtake it.
  std::map<int, std::string> seen;
  for (int i = 0; i < 12; ++i) {
    const Message message = client.next();
    seen[message.qos] += message.payload + " ";
  }
  expect(seen[1] == "0 2 4 6 8 10 ", "at QoS 1 comes " + seen[1]);
  expect(seen[2] == "1 3 5 7 9 11 ", "at QoS 2 comes " + seen[2]);
  Message more;
  expect(!client.next(more, std::chrono::milliseconds{300}), "nothing comes twice");
  client.disconnect();
}

void dying(const Arguments& arguments) {
  const Client client(arguments, {.client_id = "dying", .lasts = arguments.delay_s > 0, .has_will = true});
  std::cout << "connected" << std::endl;
  for (;;) ::pause();
}

int usage() {
  std::cerr << "usage: paho-c-scenarios round-trip|shared|session-begin|session-resume|dying URL [version=4|5] "
               "[delay=S] [user=NAME password=PASSWORD] [identity=DIR]\n";
  return 2;
}

std::shared_ptr<hedgerow::security::PahoTls> open_tls(const std::string& data_dir) {
  using namespace hedgerow::security;
  const auto identity = load_identity(data_dir);
  if (!identity) throw std::runtime_error(identity.error().what);
  const auto context = TlsContext::create(*identity);
  if (!context) throw std::runtime_error(context.error().what);
  return std::make_shared<PahoTls>(*context, [](std::size_t) {});
}

// False: it is none.
bool take_argument(const std::string& argument, Arguments& out) {
  const std::size_t at = argument.find('=');
  const std::string key = argument.substr(0, at);
  const std::string value = at == std::string::npos ? std::string() : argument.substr(at + 1);
  if (key == "version" && (value == "4" || value == "5")) {
    out.is_v5 = value == "5";
  } else if (key == "delay") {
    out.delay_s = std::stoi(value);
  } else if (key == "user") {
    out.user = value;
  } else if (key == "password") {
    out.password = value;
  } else if (key == "identity") {
    out.tls = open_tls(value);
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)(const Arguments&)> scenarios = {{"round-trip", round_trip},
                                                                       {"shared", shared},
                                                                       {"session-begin", session_begin},
                                                                       {"session-resume", session_resume},
                                                                       {"dying", dying}};
  if (argc < 3 || !scenarios.contains(argv[1])) return usage();
  Arguments arguments{.url = argv[2]};
  try {
    for (int i = 3; i < argc; ++i) {
      if (!take_argument(argv[i], arguments)) return usage();
    }
    scenarios.at(argv[1])(arguments);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << argv[1] << ": " << error.what() << '\n';
    return 1;
  }
}
