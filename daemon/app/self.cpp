#include "daemon/app/self.hpp"

#include <utility>

#include "daemon/app/board.hpp"

namespace hedgerow::app {

Expected<Self> who_we_are(const config::Config& config) {
  auto identity = security::load_identity(config.data);
  if (!identity) {
    if (identity.error().category != Category::kNotFound) return tl::unexpected<Error>(std::move(identity.error()));
    return Self{.identity = {}, .mesh = config.mesh, .node = config.node.empty() ? host_name() : config.node};
  }
  const security::PeerIdentity& self = identity->self;
  if (self.role != security::Role::kNode) {
    return fail(Category::kRefused, "the certificate in " + (config.data / "identity").string() +
                                        " is not a node's: make one with hedgerow node add");
  }
  if (config.mesh != config::kLocalMeshName && self.mesh != config.mesh) {
    return fail(Category::kInvalidInput, "the configuration says mesh \"" + config.mesh + "\", the certificate in " +
                                             (config.data / "identity").string() + " belongs to mesh \"" + self.mesh +
                                             "\": change one of them");
  }
  if (!config.node.empty() && config.node != self.node) {
    return fail(Category::kInvalidInput, "the configuration says node \"" + config.node + "\", the certificate in " +
                                             (config.data / "identity").string() + " says \"" + self.node +
                                             "\": leave \"node\" out, or make a certificate for that name");
  }
  return Self{.identity = *identity, .mesh = self.mesh, .node = self.node};
}

std::optional<std::string> identity_note(const config::Config& config, const Self& self) {
  const auto found = security::load_identity(config.data);
  if (!found) {
    if (found.error().category == Category::kNotFound && !self.identity) return std::nullopt;
    return "the identity on disk cannot be used, and the next start of hedgerowd will say so: " + found.error().what;
  }
  const bool is_same = self.identity && self.identity->certificate_pem == found->certificate_pem &&
                       self.identity->authority_pem == found->authority_pem;
  if (is_same) return std::nullopt;
  return "the identity in " + (config.data / "identity").string() + " will change with the next start of hedgerowd";
}

}  // namespace hedgerow::app
