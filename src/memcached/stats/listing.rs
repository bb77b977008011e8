//! The statistics by name, for any protocol.
//!
//! All names are there that memcached 1.6.18 has, in its order, because clients look for them. What
//! does not exist here, such as slabs and the LRU's segments, is zero.

use std::fmt::Display;

use crate::memcached::{Compat, Service};

/// Where a statistic goes: name and value.
pub(in crate::memcached) type Emit<'a> = dyn FnMut(&str, &dyn Display) + 'a;

/// Lists a group of statistics; the general ones are the group without a name. Returns whether there
/// is such a group.
pub(in crate::memcached) fn list(service: &Service, group: &[u8], emit: &mut Emit<'_>) -> bool {
    match group {
        b"" => general(service, emit),
        b"settings" => settings(service, emit),
        b"items" => items(service, emit),
        b"slabs" => slabs(service, emit),
        b"sizes" => emit("sizes_status", &"disabled"),
        // Connections are known to the server, not to the service.
        b"conns" => {}
        _ => return false,
    }
    true
}

/// Emits a name and a value each.
macro_rules! each {
    ($emit:ident, $($name:literal $value:expr),* $(,)?) => {
        $($emit($name, &$value);)*
    };
}

fn general(service: &Service, emit: &mut Emit<'_>) {
    process(service, emit);
    connections(service, emit);
    commands(service, emit);
    machinery(service, emit);
    contents(service, emit);
}

fn process(service: &Service, emit: &mut Emit<'_>) {
    let store = service.store();
    each!(emit,
        "pid" std::process::id(),
        "uptime" store.age(),
        "time" store.unix_time(),
        "version" service.config().compat.version(),
        "caskade_version" env!("CARGO_PKG_VERSION"),
        "libevent" "none",
        "pointer_size" usize::BITS,
        "rusage_user" "0.000000",
        "rusage_system" "0.000000",
    );
}

fn connections(service: &Service, emit: &mut Emit<'_>) {
    let (config, counters) = (service.config(), service.stats());
    let current = counters.curr_connections.get();
    each!(emit,
        "max_connections" config.max_connections,
        "curr_connections" current,
        "total_connections" counters.total_connections.get(),
        "rejected_connections" counters.rejected_connections.get(),
        "connection_structures" current,
        "response_obj_oom" 0,
        "response_obj_count" 0,
        "response_obj_bytes" 0,
        "read_buf_count" 0,
        "read_buf_bytes" 0,
        "read_buf_bytes_free" 0,
        "read_buf_oom" 0,
        "reserved_fds" 0,
    );
    if config.idle_timeout > 0 {
        emit("idle_kicks", &counters.idle_kicks.get());
    }
    if config.compat > Compat::V1_6_18 {
        emit("proxy_conn_requests", &0);
    }
}

fn commands(service: &Service, emit: &mut Emit<'_>) {
    let counters = service.stats();
    macro_rules! sums {
        ($($name:ident)*) => {
            $(emit(stringify!($name), &counters.$name.get());)*
        };
    }
    sums! {
        cmd_get cmd_set cmd_flush cmd_touch cmd_meta
        get_hits get_misses get_expired get_flushed
        delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits
        cas_misses cas_hits cas_badval touch_hits touch_misses
        store_too_large store_no_memory auth_cmds auth_errors
        bytes_read bytes_written
    }
}

fn machinery(service: &Service, emit: &mut Emit<'_>) {
    let stats = service.store().stats();
    each!(emit,
        "limit_maxbytes" stats.bound.unwrap_or_default(),
        "accepting_conns" 1,
        "listen_disabled_num" 0,
        "time_in_listen_disabled_us" 0,
        "threads" service.config().threads,
        "conn_yields" 0,
        "hash_power_level" usize::BITS - stats.entries.leading_zeros().min(usize::BITS - 16),
        "hash_bytes" stats.overhead_bytes,
        "hash_is_expanding" 0,
        "slab_reassign_rescues" 0,
        "slab_reassign_chunk_rescues" 0,
        "slab_reassign_evictions_nomem" 0,
        "slab_reassign_inline_reclaim" 0,
        "slab_reassign_busy_items" 0,
        "slab_reassign_busy_deletes" 0,
        "slab_reassign_running" 0,
        "slabs_moved" 0,
        "lru_crawler_running" 0,
        "lru_crawler_starts" 0,
        "lru_maintainer_juggles" 0,
        "malloc_fails" 0,
        "log_worker_dropped" 0,
        "log_worker_written" 0,
        "log_watcher_skipped" 0,
        "log_watcher_sent" 0,
        "log_watchers" 0,
        "unexpected_napi_ids" 0,
        "round_robin_fallback" 0,
    );
}

fn contents(service: &Service, emit: &mut Emit<'_>) {
    let (stats, counters) = (service.store().stats(), service.stats());
    each!(emit,
        "bytes" stats.weight,
        "curr_items" stats.entries,
        "total_items" counters.total_items.get(),
        "slab_global_page_pool" 0,
        "expired_unfetched" 0,
        "evicted_unfetched" 0,
        "evicted_active" 0,
        "evictions" stats.evicted.saturating_sub(counters.before.evicted.get()),
        "reclaimed" stats.expired.saturating_sub(counters.before.expired.get()),
        "crawler_reclaimed" 0,
        "crawler_items_checked" 0,
        "lrutail_reflocked" 0,
        "moves_to_cold" 0,
        "moves_to_warm" 0,
        "moves_within_lru" 0,
        "direct_reclaims" 0,
        "lru_bumps_dropped" 0,
    );
}

fn settings(service: &Service, emit: &mut Emit<'_>) {
    let (config, store) = (service.config(), service.store());
    let switch = |is_on| if is_on { "yes" } else { "no" };
    each!(emit,
        "maxbytes" store.stats().bound.unwrap_or_default(),
        "maxconns" config.max_connections,
        "tcpport" config.port,
        "udpport" 0,
        "inter" "NULL",
        "verbosity" 0,
        "oldest" 0,
        "evictions" if store.evicts() { "on" } else { "off" },
        "domain_socket" "NULL",
        "umask" 700,
        "shutdown_command" "no",
        "growth_factor" "1.25",
        "chunk_size" 48,
        "num_threads" config.threads,
        "num_threads_per_udp" config.threads,
        "stat_key_prefix" ":",
        "detail_enabled" switch(service.stats().details.is_on()),
        "reqs_per_event" 20,
        "cas_enabled" switch(config.cas),
        "tcp_backlog" 1024,
        "binding_protocol" "auto-negotiate",
        "auth_enabled_sasl" "no",
        "auth_enabled_ascii" "no",
        "item_size_max" store.item_limit(),
        "maxconns_fast" "yes",
        "hashpower_init" 0,
        "slab_reassign" "no",
        "slab_automove" 0,
        "slab_automove_ratio" "0.80",
        "slab_automove_window" 30,
        "slab_chunk_max" store.item_limit() / 2,
        "lru_crawler" "yes",
        "lru_crawler_sleep" 100,
        "lru_crawler_tocrawl" 0,
        "tail_repair_time" 0,
        "flush_enabled" switch(config.flush),
        "dump_enabled" "yes",
        "hash_algorithm" "ahash",
        "lru_maintainer_thread" "no",
        "lru_segmented" "no",
        "hot_lru_pct" 0,
        "warm_lru_pct" 0,
        "hot_max_factor" "0.00",
        "warm_max_factor" "0.00",
        "temp_lru" "no",
        "temporary_ttl" 0,
        "idle_timeout" config.idle_timeout,
        "watcher_logbuf_size" 0,
        "worker_logbuf_size" 0,
        "read_buf_mem_limit" 0,
        "track_sizes" "no",
        "inline_ascii_response" "no",
    );
    lacking_settings(emit);
    if config.compat > Compat::V1_6_18 {
        emit("client_flags_size", &4);
    }
}

/// What Debian's memcached is built with, storage beside memory and TLS, is not here, or not shown.
fn lacking_settings(emit: &mut Emit<'_>) {
    each!(emit,
        "ext_item_size" 0,
        "ext_item_age" 0,
        "ext_low_ttl" 0,
        "ext_recache_rate" 0,
        "ext_wbuf_size" 0,
        "ext_compact_under" 0,
        "ext_drop_under" 0,
        "ext_max_sleep" 0,
        "ext_max_frag" "0.00",
        "slab_automove_freeratio" "0.000",
        "ext_drop_unread" "no",
        "ssl_enabled" "no",
        "ssl_chain_cert" "(null)",
        "ssl_key" "(null)",
        "ssl_verify_mode" 0,
        "ssl_keyformat" 1,
        "ssl_ciphers" "NULL",
        "ssl_ca_cert" "NULL",
        "ssl_wbuf_size" 0,
        "ssl_session_cache" "no",
        "ssl_kernel_tls" "no",
        "ssl_min_version" "tlsv1.2",
        "num_napi_ids" "(null)",
        "memory_file" "(null)",
    );
}

/// All items are of one size class.
fn items(service: &Service, emit: &mut Emit<'_>) {
    let (stats, before) = (service.store().stats(), &service.stats().before);
    if stats.entries == 0 {
        return;
    }
    let evicted = stats.evicted.saturating_sub(before.evicted.get());
    each!(emit,
        "items:1:number" stats.entries,
        "items:1:number_hot" 0,
        "items:1:number_warm" 0,
        "items:1:number_cold" stats.entries,
        "items:1:age_hot" 0,
        "items:1:age_warm" 0,
        "items:1:age" 0,
        "items:1:mem_requested" stats.weight,
        "items:1:evicted" evicted,
        "items:1:evicted_nonzero" 0,
        "items:1:evicted_time" 0,
        "items:1:outofmemory" service.stats().store_no_memory.get(),
        "items:1:tailrepairs" 0,
        "items:1:reclaimed" stats.expired.saturating_sub(before.expired.get()),
        "items:1:expired_unfetched" 0,
        "items:1:evicted_unfetched" 0,
        "items:1:evicted_active" 0,
        "items:1:crawler_reclaimed" 0,
        "items:1:crawler_items_checked" 0,
        "items:1:lrutail_reflocked" 0,
        "items:1:moves_to_cold" 0,
        "items:1:moves_to_warm" 0,
        "items:1:moves_within_lru" 0,
        "items:1:direct_reclaims" 0,
        "items:1:hits_to_hot" 0,
        "items:1:hits_to_warm" 0,
        "items:1:hits_to_cold" 0,
        "items:1:hits_to_temp" 0,
    );
}

fn slabs(service: &Service, emit: &mut Emit<'_>) {
    let (stats, counters) = (service.store().stats(), service.stats());
    if stats.entries > 0 {
        each!(emit,
            "1:chunk_size" service.store().item_limit(),
            "1:chunks_per_page" 1,
            "1:total_pages" stats.entries,
            "1:total_chunks" stats.entries,
            "1:used_chunks" stats.entries,
            "1:free_chunks" 0,
            "1:free_chunks_end" 0,
            "1:get_hits" counters.get_hits.get(),
            "1:cmd_set" counters.cmd_set.get(),
            "1:delete_hits" counters.delete_hits.get(),
            "1:incr_hits" counters.incr_hits.get(),
            "1:decr_hits" counters.decr_hits.get(),
            "1:cas_hits" counters.cas_hits.get(),
            "1:cas_badval" counters.cas_badval.get(),
            "1:touch_hits" counters.touch_hits.get(),
        );
    }
    each!(emit,
        "active_slabs" u8::from(stats.entries > 0),
        "total_malloced" stats.weight,
    );
}
