#include "daemon/websocket/upgrade.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "daemon/websocket/limits.hpp"
#include "sync/base/base64.hpp"

namespace hedgerow::websocket {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kMethod = "GET ";

constexpr std::string_view kBadRequest = "400 Bad Request";
constexpr std::string_view kForbidden = "403 Forbidden";
constexpr std::string_view kUpgradeRequired = "426 Upgrade Required";
constexpr std::string_view kHeadTooLarge = "431 Request Header Fields Too Large";
constexpr std::string_view kVersionNotSupported = "505 HTTP Version Not Supported";

struct Field {
  std::string_view name;
  std::string_view value;
};

struct Request {
  std::string_view version;
  std::vector<Field> fields;
};

UpgradeAnswer refuse(std::string_view status, std::string sentence) {
  UpgradeAnswer answer;
  answer.response.append("HTTP/1.1 ").append(status).append(kLineEnd);
  if (status == kUpgradeRequired) answer.response += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  answer.response += "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
                     std::to_string(sentence.size() + 1) + "\r\n\r\n" + sentence + "\n";
  answer.refusal = std::move(sentence);
  return answer;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [kMarks](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || kMarks.find(c) != kMarks.npos;
  });
}

// What a field's value or a target may contain: no control characters; bytes from 0x80 on are opaque.
bool is_visible(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<Field> parse_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) return std::nullopt;
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), [](char c) { return is_visible(c) || c == '\t'; })) return std::nullopt;
  return Field{.name = line.substr(0, colon), .value = value};
}

bool parse_request_line(std::string_view line, Request& request) {
  if (!line.starts_with(kMethod)) return false;
  line.remove_prefix(kMethod.size());
  const std::size_t space = line.find(' ');
  if (space == 0 || space == line.npos) return false;
  request.version = line.substr(space + 1);
  return std::all_of(line.begin(), line.end(), is_visible) && request.version.starts_with("HTTP/") &&
         request.version.find(' ') == line.npos;
}

std::optional<Request> parse(std::string_view head) {
  Request request;
  for (bool first = true;; first = false) {
    const std::size_t length = head.find(kLineEnd);
    if (length == head.npos) return std::nullopt;
    const std::string_view line = head.substr(0, length);
    head.remove_prefix(length + kLineEnd.size());
    if (first) {
      if (!parse_request_line(line, request)) return std::nullopt;
      continue;
    }
    if (line.empty()) return head.empty() ? std::optional(std::move(request)) : std::nullopt;
    const auto field = parse_field(line);
    if (!field) return std::nullopt;
    request.fields.push_back(*field);
  }
}

std::size_t count(const Request& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.fields.begin(), request.fields.end(),
                    [name](const Field& field) { return equal_but_for_case(field.name, name); }));
}

// The value of the only field of that name; empty when there is none, or are several.
std::string_view only(const Request& request, std::string_view name) {
  if (count(request, name) != 1) return {};
  return std::find_if(request.fields.begin(), request.fields.end(),
                      [name](const Field& field) { return equal_but_for_case(field.name, name); })
      ->value;
}

// Whether `element` is in the comma-separated list that all fields of that name make together.
template <class Equal>
bool lists(const Request& request, std::string_view name, std::string_view element, Equal equal) {
  for (const Field& field : request.fields) {
    if (!equal_but_for_case(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t length = std::min(rest.find(','), rest.size());
      if (equal(trimmed(rest.substr(0, length)), element)) return true;
      rest.remove_prefix(std::min(length + 1, rest.size()));
    }
  }
  return false;
}

// 16 bytes in base64 (RFC 6455, 4.1).
bool is_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") && key.substr(0, 22).find_first_not_of(kBase64Digits) == key.npos;
}

}  // namespace

std::string accept_value(std::string_view key, Sha1 sha1) {
  return to_base64(sha1(as_bytes(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

UpgradeAnswer judge_beginning(std::string_view head) {
  if (head.substr(0, kMethod.size()) != kMethod.substr(0, head.size())) {
    return refuse(kBadRequest, "MQTT over WebSocket is spoken here: it begins with an HTTP request, GET.");
  }
  if (head.size() > kUpgradeHeadBytesMax) {
    return refuse(kHeadTooLarge,
                  "The request has more than " + std::to_string(kUpgradeHeadBytesMax) + " bytes of header fields.");
  }
  return {};
}

UpgradeAnswer answer_upgrade(std::string_view head, const OriginPolicy& origins, Sha1 sha1) {
  const auto request = parse(head);
  if (!request) return refuse(kBadRequest, "This is no HTTP request: a line of it is malformed.");
  if (request->version != "HTTP/1.1") {
    return refuse(kVersionNotSupported, "A connection becomes WebSocket from HTTP/1.1, no other version.");
  }
  if (count(*request, "Host") != 1) return refuse(kBadRequest, "A request needs the header field Host, once.");
  if (count(*request, "Transfer-Encoding") > 0 ||
      (count(*request, "Content-Length") > 0 && only(*request, "Content-Length") != "0")) {
    return refuse(kBadRequest, "A request for an upgrade has no body.");
  }
  if (!lists(*request, "Upgrade", "websocket", equal_but_for_case) ||
      !lists(*request, "Connection", "upgrade", equal_but_for_case)) {
    return refuse(kUpgradeRequired, "Only MQTT over WebSocket is served here, and this request asks for no upgrade.");
  }
  if (only(*request, "Sec-WebSocket-Version") != "13") {
    return refuse(kUpgradeRequired, "Version 13 of WebSocket is spoken here: Sec-WebSocket-Version must say so, once.");
  }
  const std::string_view key = only(*request, "Sec-WebSocket-Key");
  if (!is_key(key)) return refuse(kBadRequest, "An upgrade needs one Sec-WebSocket-Key, of 16 bytes in base64.");
  if (!lists(*request, "Sec-WebSocket-Protocol", "mqtt", std::equal_to<std::string_view>{})) {
    return refuse(kBadRequest, "The subprotocol is mqtt: name it in Sec-WebSocket-Protocol.");
  }
  if (count(*request, "Origin") > 0 && !origin_is_allowed(only(*request, "Origin"), origins)) {
    return refuse(kForbidden,
                  "Pages from elsewhere may not connect to a loopback address: open the page from localhost, or give "
                  "the listener an address that other machines reach.");
  }
  return {.response =
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: " +
              accept_value(key, sha1) + "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",  // [MQTT-6.0.0-4]
          .refusal = {}};
}

}  // namespace hedgerow::websocket
