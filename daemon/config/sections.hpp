// The sections of a configuration, each read from its value into the Config. Where something is wrong, a problem is
// noted and the reading goes on with the default. Not for others than parse().
// Pure. Thread rule: free functions without state.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/json_value.hpp"
#include "daemon/config/mesh_channels.hpp"
#include "daemon/config/schema_walk.hpp"

namespace hedgerow::config {

void read_listeners(SchemaWalk& walk, const JsonValue& value, Config& config);
void read_peers(SchemaWalk& walk, const JsonValue& value, Config& config);
void read_channels(SchemaWalk& walk, const JsonValue& value, Config& config);
// After the channels.
void read_spool(SchemaWalk& walk, const JsonValue& value, Config& config);
// One channel as the mesh keeps it: mesh_channels.hpp.
void read_definition(SchemaWalk& walk, const JsonValue& value, ChannelDefinition& definition);
// After the listeners.
void read_things(SchemaWalk& walk, const JsonValue& value, Config& config);
void read_limits(SchemaWalk& walk, const JsonValue& value, Config& config);
// After the listeners and things, which its rules name.
void read_access(SchemaWalk& walk, const JsonValue& value, Config& config);

}  // namespace hedgerow::config
