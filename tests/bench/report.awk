# Reads lines "METRIC SYSTEM VALUE", one a round, and prints medians, ratios and targets as a Markdown table. Rows
# without figures are left out. The targets are those of the design; run.sh says what each metric is.

{ values[$1, $2, ++count[$1, $2]] = $3 }

function median(metric, who,  n, i, j, held, sorted) {
  n = count[metric, who]
  for (i = 1; i <= n; ++i) {
    held = values[metric, who, i]
    for (j = i - 1; j >= 1 && sorted[j] > held; --j) sorted[j + 1] = sorted[j]
    sorted[j + 1] = held
  }
  return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function total(metric, who,    i, sum) {
  for (i = 1; i <= count[metric, who]; ++i) sum += values[metric, who, i]
  return sum + 0
}

# 12345678 -> 12,345,678
function grouped(number,    text, out) {
  text = sprintf("%.0f", number)
  while (length(text) > 3) {
    out = "," substr(text, length(text) - 2) out
    text = substr(text, 1, length(text) - 3)
  }
  return text out
}

function shown(value, unit) {
  if (unit == "ms") return sprintf("%.3f ms", value / 1000)
  if (unit == "MiB") return sprintf("%.2f MiB", value / 1024)
  if (unit == "x") return sprintf("%.2f x", value)
  if (unit == "us") return sprintf("%.2f", value)
  return grouped(value) unit
}

function line(what, ours, peers, ratio, target, met) {
  printf "| %-58s | %12s | %12s | %6s | %-44s | %-22s |\n", what, ours, peers, ratio, target, met
}

# direction 1: more is better, -1: less is better. limit 0: no target.
function row(what, metric, unit, direction, limit, target,    ours, peers, met) {
  if (!count[metric, "hedgerow"]) return
  ours = median(metric, "hedgerow")
  peers = median(metric, "mosquitto")
  met = ""
  if (limit > 0) {
    met = (direction > 0 ? ours >= limit : ours <= limit) ? "yes" : sprintf("no: %.2f x the target", ours / limit)
    target = target " " shown(limit, unit)
  }
  line(what, shown(ours, unit), shown(peers, unit), peers > 0 ? sprintf("%.2f", ours / peers) : "", target, met)
}

function latency_rows(what, metric, kind, sync_us,    p, name, limit, target) {
  for (p = 50; p <= 99; p += 49) {
    name = metric "_p" p
    target = kind == "none" ? "" : kind == "sync" ? "at most the peer's + a sync =" : "at most the peer's ="
    limit = kind == "none" ? 0 : median(name, "mosquitto") + (kind == "sync" ? sync_us : 0)
    row(what ", p" p, name, "ms", -1, limit, target)
  }
}

function flow_row(way, load, qos, size,    ways, loads, names, sizes, titles) {
  split("plain tls", ways, " ")
  split("1_1 10_1 1_50", loads, " ")
  split("1 to 1;10 to 1;1 to 50", names, ";")
  split("64 16384", sizes, " ")
  split("64 B;16 KiB", titles, ";")
  row("published a second, QoS " qos ", " names[load] ", " titles[size] (way == 2 ? ", TLS" : ""),
      "flow_" loads[load] "_" qos "_" sizes[size] "_" ways[way], "/s", 1, 0, "")
}

END {
  sync_us = count["sync_append_p50_us", "disk"] ? median("sync_append_p50_us", "disk") : 0
  line("what", "Hedgerow", "Mosquitto", "ratio", "target", "met")
  print "| --- | ---: | ---: | ---: | --- | --- |"

  if (count["acked_1", "hedgerow"]) {
    bound = 0.7 * 100 / (sync_us / 1e6)
    peers = median("acked_1", "mosquitto")
    row("QoS 1, 64 B, acknowledged a second, 1 client, window 100", "acked_1", "/s", 1, peers < bound ? peers : bound,
        peers < bound ? "1 x the peer's =" : "0.7 x window / sync time =")
    row("the same, 10 clients", "acked_10", "/s", 1, 1.5 * median("acked_10", "mosquitto"), "1.5 x the peer's =")
    row("microseconds of processor time for each, 1 client", "cpu_1", "us", -1, 0, "")
    row("microseconds of processor time for each, 10 clients", "cpu_10", "us", -1, 0, "")
  }
  row("catch-up after an outage, records a second, until the other node has them", "catchup_rate", "/s", 1,
      10 * median("catchup_rate", "mosquitto"), "10 x the peer's =")
  row("the same, until a QoS 1 subscriber there has them", "catchup_subscriber_rate", "/s", 1,
      2 * median("catchup_subscriber_rate", "mosquitto"), "2 x the peer's =")
  row("bytes on the wire for it, times the payload", "catchup_wire", "x", -1, median("catchup_wire", "mosquitto") / 5,
      "1/5 of the peer's =")
  row("memory that grows while the records wait", "catchup_memory", "MiB", -1, 4 * 1024, "at most")
  for (way = 1; way <= 2; way++) {
    for (load = 1; load <= 3; load++) {
      for (qos = 0; qos <= 1; qos++) {
        for (size = 1; size <= 2; size++) flow_row(way, load, qos, size)
      }
    }
  }
  row("resident memory for each of 10,000 idle connections", "idle_plain", " B", -1, 0, "")
  row("resident memory for each of 1,000 idle TLS connections", "idle_tls", " B", -1, 0, "")
  latency_rows("one node, live (QoS 0), 500/s", "one_qos0", "peer", 0)
  latency_rows("one node, QoS 1, 500/s", "one_qos1", "none", 0)
  latency_rows("node to node over TLS, QoS 1, from the dialling node", "out_qos1", "sync", sync_us)
  latency_rows("node to node over TLS, QoS 1, to the dialling node", "in_qos1", "sync", sync_us)
  latency_rows("node to node over TLS, live, from the dialling node", "out_qos0", "peer", 0)
  latency_rows("node to node over TLS, live, to the dialling node", "in_qos0", "peer", 0)
  row("resident memory, idle, no peer", "Rss_alone", "MiB", -1, 0, "")
  row("its share where libraries are shared (PSS)", "Pss_alone", "MiB", -1, 0, "")
  row("resident memory after 500,000 publishes of 10 clients", "Rss_loaded", "MiB", -1, 0, "")
  row("resident memory, idle, 1 peer", "Rss_one_peer", "MiB", -1, 0, "")
  row("resident memory, idle, 10 peers, all dialled", "Rss_ten_peers", "MiB", -1, 8 * 1024, "at most")
  row("its share where libraries are shared (PSS)", "Pss_ten_peers", "MiB", -1, 0, "")
  row("bytes written for each record, one at a time", "wear_1", " B", -1, 6000, "at most")
  row("the same, 100 under way", "wear_100", " B", -1, 300, "at most")
  row("megabytes a day at a node that only receives, 4 records a second", "wear_receiving", " MB", -1, 200, "at most")
  row("cold start with a database of 1 GiB until it serves", "coldstart", "ms", -1, 1000 * 1000, "at most")
  row("program, stripped", "program_bytes", " B", -1, 0, "")
  row("program and its libraries other than libc", "all_bytes", " B", -1, 4 * 1024 * 1024, "at most")

  print ""
  if (sync_us) {
    printf "A sync of this disk after a small append took %.3f ms, 99th percentile %.3f ms; when the file does not\n", \
      sync_us / 1000, median("sync_append_p99_us", "disk") / 1000
    printf "grow %.3f ms. 100 unacknowledged publishes allow at most %s/s, 1,000 at most %s/s.\n", \
      median("sync_overwrite_p50_us", "disk") / 1000, grouped(100e6 / sync_us), grouped(1000e6 / sync_us)
  }
  if (count["acked_1", "reflector"]) {
    printf "The client's own limit, against a server that only acknowledges: %s/s with 1 client, %s/s with 10.\n", \
      grouped(median("acked_1", "reflector")), grouped(median("acked_10", "reflector"))
  }
  if (count["one_qos0_p50", "reflector"]) {
    printf "The floor of the latencies, a server that only forwards: p50 %.3f, p99 %.3f ms.\n", \
      median("one_qos0_p50", "reflector") / 1000, median("one_qos0_p99", "reflector") / 1000
  }
  for (key in count) {
    split(key, parts, SUBSEP)
    if (parts[1] ~ /_lost$/ && total(parts[1], parts[2]) > 0) {
      printf "Lost live messages, %s, %s: %d of all rounds.\n", parts[2], parts[1], total(parts[1], parts[2])
    }
  }
}
