#include "daemon/node/refusal_log.hpp"

#include "daemon/node/limits.hpp"

namespace hedgerow::node {

RefusalLog::Matter* RefusalLog::begin(Instant now, std::string matter) {
  if (const auto known = matters_.find(matter); known != matters_.end()) {
    ++known->second.again;
    return nullptr;
  }
  if (matters_.size() >= kRefusalsToldMax) {
    if (others_++ == 0) others_until_ = now + kRefusalsToldEvery;
    return nullptr;
  }
  Matter& fresh = matters_[std::move(matter)];
  fresh.until = now + kRefusalsToldEvery;
  return &fresh;
}

void RefusalLog::on_tick(Instant now) {
  for (auto each = matters_.begin(); each != matters_.end();) {
    Matter& matter = each->second;
    if (matter.until > now) {
      ++each;
    } else if (matter.again == 0) {
      each = matters_.erase(each);
    } else {
      log_("again, " + std::to_string(std::exchange(matter.again, 0)) + " times in a minute: " + matter.line);
      matter.until = now + kRefusalsToldEvery;
      ++each;
    }
  }
  if (others_ == 0 || others_until_ > now) return;
  log_("refused " + std::to_string(std::exchange(others_, 0)) +
       " times more in a minute, of too many clients to name each: hedgerow status counts them");
}

}  // namespace hedgerow::node
