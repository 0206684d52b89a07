// Dialler over Paho MQTT C++ and mbedTLS: MQTT 5, clean start, QoS 0, mutual TLS.
//
// Three threads meet in it. The loop thread owns it, and only hands over. A worker thread of its own does all that may
// wait: looking up names, Paho's calls that take Paho's global lock, pauses. Paho's threads hand what arrives to the
// loop through Post. Dials again for ever, after pauses as backoff.hpp says.
#pragma once

#include <memory>

#include "daemon/link_paho/dialler.hpp"

namespace hedgerow::link_paho {

// `events` must outlive the Dialler. A malformed host_port is reported as on_down() once, and nothing is dialled.
// REQUIRES: settings.tls is set; security::init_crypto() has succeeded.
[[nodiscard]] std::unique_ptr<Dialler> make_dialler(DialSettings settings, Post post, DialEvents& events);

}  // namespace hedgerow::link_paho
