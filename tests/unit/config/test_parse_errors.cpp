// The exact words of every refusal: what a user reads is part of the contract.

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

// What is shown for the text, in a file named f.
std::string refused(std::string_view text) {
  const auto config = parse(text);
  return config ? "accepted" : format_problems("f", config.error());
}

// The same for the inside of the document, the listeners, a listener, the channels, a channel.
std::string in_root(const std::string& members) { return refused("{\"mesh\":\"m\",\n" + members + "}"); }
std::string in_listener(const std::string& members) { return in_root("\"listeners\":[{\n" + members + "}]"); }
std::string in_channel(const std::string& members) { return in_root("\"channels\":[{\n" + members + "}]"); }

constexpr auto kListenAddress = "an IP address of this board and a port, such as \"127.0.0.1:1883\"";

TEST_CASE("a misspelt key is refused with the key that was meant", "[config]") {
  CHECK(in_root("\"lisetners\":[]") == "f:2:1: lisetners: unknown key; did you mean \"listeners\"?");
  CHECK(in_listener("\"adress\":\"127.0.0.1:1\"") ==
        "f:3:1: listeners[0].adress: unknown key; did you mean \"address\"?");
  CHECK(in_channel("\"name\":\"a\",\"filter\":\"#\",\"keep\":{\"siez\":\"1MiB\"}") ==
        "f:3:33: channels[0].keep.siez: unknown key; did you mean \"size\"?");
}

TEST_CASE("an unknown key that resembles none is answered with the known ones", "[config]") {
  CHECK(in_channel("\"name\":\"a\",\"filter\":\"#\",\"keep\":{\"forever\":true}") ==
        "f:3:33: channels[0].keep.forever: unknown key, expected \"age\" or \"size\"");
}

TEST_CASE("a wrong type names what was found and what was expected", "[config]") {
  CHECK(refused("[]") == "f:1:1: found an array, expected an object { … }");
  CHECK(refused("17") == "f:1:1: found the number 17, expected an object { … }");
  CHECK(refused(R"({"mesh":null})") == "f:1:9: mesh: found null, expected a name");
  CHECK(in_root("\"data\":{}") == "f:2:8: data: found an object, expected a directory");
  CHECK(in_root("\"data\":\"\"") == "f:2:8: data: found the text \"\", expected a directory");
  CHECK(in_root("\"peers\":\"gw:1\"") == "f:2:9: peers: found the text \"gw:1\", expected an array of addresses");
  CHECK(in_root("\"peers\":[1.50]") ==
        "f:2:10: peers[0]: found the number 1.50, expected a host and a port, such as \"gw-house.lan:8883\"");
  CHECK(in_root("\"listeners\":[true]") == "f:2:14: listeners[0]: found true, expected an object { … }");
  CHECK(in_listener("\"address\":\"127.0.0.1:1\",\"tls\":\"no\"") ==
        "f:3:31: listeners[0].tls: found the text \"no\", expected true or false");
  CHECK(in_channel("\"name\":\"a\",\"filter\":\"#\",\"keep\":{\"age\":7}") ==
        "f:3:39: channels[0].keep.age: found the number 7, expected a duration such as \"7d\", \"24h\", \"90m\" or "
        "\"30s\"");
}

TEST_CASE("a missing key is refused at the object that lacks it", "[config]") {
  CHECK(refused("{}") == "f:1:1: the key \"mesh\" is missing, expected a name");
  CHECK(in_listener("") ==
        std::string{"f:2:14: listeners[0]: the key \"address\" is missing, expected "} + kListenAddress);
  CHECK(in_channel("\"name\":\"a\"") ==
        "f:2:13: channels[0]: the key \"filter\" is missing, expected an MQTT topic filter, such as \"sensors/#\"");
}

TEST_CASE("a duplicate key is refused with both places", "[config]") {
  CHECK(in_root("\"node\":\"a\",\n\"node\":\"b\"") ==
        "f:3:1: node: the key stands twice, first at 2:1: remove one of them");
}

TEST_CASE("names keep to what topics, files and certificates can hold", "[config]") {
  CHECK(in_root("\"node\":\"Gw\"") ==
        "f:2:8: node: the name of a node has \"G\" at position 1: use only a-z 0-9 - _ .");
  CHECK(in_root("\"node\":\"a/b\"") ==
        "f:2:8: node: the name of a node has \"/\" at position 2: use only a-z 0-9 - _ .");
}

TEST_CASE("an impossible address is explained", "[config]") {
  CHECK(in_listener("\"address\":\"127.0.0.1\"") ==
        std::string{"f:3:11: listeners[0].address: found \"127.0.0.1\": the port is missing, expected "} +
            kListenAddress);
  CHECK(in_listener("\"address\":\"localhost:1883\"") ==
        std::string{"f:3:11: listeners[0].address: found the text \"localhost:1883\", expected "} + kListenAddress);
  CHECK(in_root("\"peers\":[\"gw:0\"]") == "f:2:10: peers[0]: port 0 cannot be dialled, expected the port of the peer");
  CHECK(in_root("\"peers\":[\"0.0.0.0:1\"]") ==
        "f:2:10: peers[0]: found the text \"0.0.0.0:1\", expected a host and a port, such as \"gw-house.lan:8883\"");
}

TEST_CASE("two listeners cannot have one address", "[config]") {
  CHECK(in_root("\"listeners\":[{\"address\":\"127.0.0.1:1883\"},\n{\"address\":\"127.0.0.1:1883\"}]") ==
        "f:3:12: listeners[1].address: 127.0.0.1:1883 is taken by listeners[0].address (127.0.0.1:1883): give each its "
        "own port");
  CHECK(in_root("\"listeners\":[{\"address\":\"0.0.0.0:1883\"},\n{\"address\":\"127.0.0.1:1883\"}]") ==
        "f:3:12: listeners[1].address: 127.0.0.1:1883 is taken by listeners[0].address (0.0.0.0:1883): give each its "
        "own port");
}

TEST_CASE("names, filters and peers stand once", "[config]") {
  CHECK(in_root("\"listeners\":[{\"name\":\"a\",\"address\":\"127.0.0.1:1\"},\n"
                "{\"name\":\"a\",\"address\":\"127.0.0.1:2\"}]") ==
        "f:3:9: listeners[1].name: the name \"a\" stands twice, first at listeners[0].name: give each its own");
  CHECK(in_root("\"listeners\":[{\"name\":\"listener-2\",\"address\":\"127.0.0.1:1\"},\n"
                "{\"address\":\"127.0.0.1:2\"}]") ==
        "f:3:1: listeners[1]: the name \"listener-2\" stands twice, first at listeners[0].name: give each its own");
  CHECK(in_root("\"channels\":[{\"name\":\"a\",\"filter\":\"x\"},\n{\"name\":\"a\",\"filter\":\"x\"}]") ==
        "f:3:9: channels[1].name: the name \"a\" stands twice, first at channels[0].name: give each its own\n"
        "f:3:22: channels[1].filter: the filter \"x\" stands twice, first at channels[0].filter: give each its own");
  CHECK(in_root("\"peers\":[\"gw:1\",\n\"GW:1\"]") ==
        "f:3:1: peers[1]: the peer \"gw:1\" stands twice, first at peers[0]: remove one of them");
}

TEST_CASE("a listener that others can reach has TLS or says that it has none", "[config][G7]") {
  CHECK(in_listener("\"address\":\"0.0.0.0:1883\",\"tls\":false") ==
        "f:3:32: listeners[0].tls: found false, but other machines can reach 0.0.0.0:1883: remove it, or add "
        "\"plaintext\": \"accepted\" if devices that know no TLS need this");
  CHECK(in_listener("\"address\":\"0.0.0.0:1883\",\"tls\":false,\"plaintext\":\"yes\"") ==
        "f:3:50: listeners[0].plaintext: found the text \"yes\", expected \"accepted\"");
  CHECK(in_listener("\"address\":\"0.0.0.0:1883\",\"plaintext\":\"accepted\"") ==
        "f:3:38: listeners[0].plaintext: this listener has TLS, nothing on it is plaintext: remove this key or add "
        "\"tls\": false");
}

TEST_CASE("authentication fits the transport", "[config][G7]") {
  CHECK(
      in_listener("\"address\":\"127.0.0.1:1\",\"tls\":false,\"auth\":\"certificate\"") ==
      "f:3:44: listeners[0].auth: \"certificate\" needs TLS, expected \"password\" or \"anonymous\" on a listener with "
      "\"tls\": false");
  CHECK(in_listener("\"address\":\"10.0.0.1:1\",\"tls\":false,\"auth\":\"password\"") ==
        "f:3:30: listeners[0].tls: found false, but other machines can reach 10.0.0.1:1, and passwords would cross the "
        "network readable: remove it, or add \"plaintext\": \"accepted\" if devices that know no TLS need this");
}

TEST_CASE("a misspelt word is refused with the word that was meant", "[config]") {
  CHECK(
      in_listener(R"("address":"127.0.0.1:1","protocol":"websockets")") ==
      "f:3:36: listeners[0].protocol: found the text \"websockets\", expected \"mqtt\" or \"websocket\"; did you mean "
      "\"websocket\"?");
  CHECK(in_listener(R"("address":"127.0.0.1:1","auth":"pasword")") ==
        "f:3:32: listeners[0].auth: found the text \"pasword\", expected \"certificate\", \"password\" or "
        "\"anonymous\"; did you mean \"password\"?");
  CHECK(in_channel(R"("name":"a","filter":"#","scope":"locl")") ==
        "f:3:33: channels[0].scope: found the text \"locl\", expected \"mesh\" or \"local\"; did you mean \"local\"?");
}

TEST_CASE("impossible amounts to keep are refused", "[config]") {
  const auto keep = [](const std::string& members) {
    return in_channel("\"name\":\"a\",\"filter\":\"#\",\"keep\":{\n" + members + "}");
  };
  CHECK(keep("\"age\":\"7 days\"") ==
        "f:4:7: channels[0].keep.age: found the text \"7 days\", expected a duration such as \"7d\", \"24h\", \"90m\" "
        "or \"30s\"");
  CHECK(keep("\"age\":\"0s\"") == "f:4:7: channels[0].keep.age: found the text \"0s\", expected from 1s to 3650d");
  CHECK(keep("\"size\":\"64M\"") ==
        "f:4:8: channels[0].keep.size: found the text \"64M\", expected a size such as \"64MiB\" or \"512KiB\"");
  CHECK(keep("\"size\":\"1B\"") == "f:4:8: channels[0].keep.size: found the text \"1B\", expected from 64KiB to 1TiB");
}

TEST_CASE("late is a duration or never", "[config]") {
  CHECK(in_channel(R"("name":"a","filter":"#","late":"always")") ==
        "f:3:32: channels[0].late: found the text \"always\", expected a duration such as \"7d\", \"24h\", \"90m\" or "
        "\"30s\", or \"never\"");
  CHECK(in_channel(R"("name":"a","filter":"#","late":"0s")") ==
        "f:3:32: channels[0].late: found the text \"0s\", expected from 1s to 3650d, or \"never\"");
  CHECK(in_channel(R"("name":"a","filter":"#","conflate":"yes")") ==
        "f:3:36: channels[0].conflate: found the text \"yes\", expected true or false");
}

TEST_CASE("a filter follows the rules of MQTT and leaves the node's own topics alone", "[config]") {
  CHECK(in_channel(R"("name":"a","filter":"a#")") ==
        "f:3:21: channels[0].filter: found the text \"a#\", expected an MQTT topic filter, such as \"sensors/#\": + "
        "stands alone in its level, # alone in the last one");
  CHECK(in_channel(R"("name":"a","filter":"$SYS/#")") ==
        "f:3:21: channels[0].filter: found \"$SYS/#\", but topics that begin with $ are in no channel: the node alone "
        "writes them");
  CHECK(in_channel(R"("name":"a","filter":"hedgerow/+/x")") ==
        "f:3:21: channels[0].filter: found \"hedgerow/+/x\", but topics under hedgerow/ are in the node's own channel");
  CHECK(in_channel(R"("name":"hedgerow","filter":"#")") ==
        "f:3:8: channels[0].name: the name \"hedgerow\" belongs to the node's own channel: choose another");
  CHECK(in_channel("\"name\":\"a\",\"filter\":\"" + std::string(1025, 'x') + "\"") ==
        "f:3:21: channels[0].filter: found a filter of 1025 bytes, expected at most 1024");
}

TEST_CASE("lists are bounded and not empty", "[config][G6]") {
  CHECK(in_root("\"listeners\":[]") ==
        "f:2:13: listeners: found an empty array, expected an array of at least one listener");
  CHECK(in_root("\"channels\":[]") ==
        "f:2:12: channels: found an empty array, expected an array of at least one channel");
  std::string peers;
  for (int at = 0; at < 65; ++at) peers += "\"gw-" + std::to_string(at) + ":1\",";
  CHECK(in_root("\"peers\":[" + peers + "]") == "f:2:9: peers: found 65 members, expected at most 64");
}

TEST_CASE("a mistake of syntax is the only problem", "[config]") {
  CHECK(refused("{\"mesh\": 1, x}") == "f:1:13: found \"x\", expected a key in double quotes");
}

TEST_CASE("all mistakes are shown, in the order of the text", "[config]") {
  CHECK(in_root("\"peers\":[\"x\"],\n\"nod\":\"a\",\n\"data\":1") ==
        "f:2:10: peers[0]: found \"x\": the port is missing, expected a host and a port, such as "
        "\"gw-house.lan:8883\"\n"
        "f:3:1: nod: unknown key; did you mean \"node\"?\n"
        "f:4:8: data: found the number 1, expected a directory");
}

TEST_CASE("many mistakes are counted rather than shown", "[config][G6]") {
  std::string keys;
  for (int at = 0; at < 30; ++at) keys += "\"mistake-" + std::to_string(at) + "\":1,";
  const std::string shown = in_root(keys);
  CHECK(shown.ends_with("\nf: and 10 more"));
}

TEST_CASE("a spool has bounds that can be, and something to hold", "[config]") {
  const std::string channels = "\"channels\":[{\"name\":\"a\",\"filter\":\"a/#\"}],\n";
  CHECK(in_root(channels + "\"spool\":{\"size\":\"1B\"}") ==
        "f:3:17: spool.size: found the text \"1B\", expected from 64KiB to 1TiB");
  CHECK(in_root(channels + "\"spool\":{\"age\":\"0s\"}") ==
        "f:3:16: spool.age: found the text \"0s\", expected from 1s to 3650d");
  CHECK(in_root("\"spool\":{}") ==
        "f:2:9: spool: without \"channels\" this node keeps all of the mesh's channels, so none is left to spool");
}

}  // namespace
}  // namespace hedgerow::config
