// A policy in C: by night the cheaper target (the last one) comes first, by day the first one.
//
// `make` turns the contract, ../../../wit/policy.wit, into bindings/routing_policy.h, and compiles this file to one file of
// WebAssembly. There it has no clock, no network and no files: all that a decision may depend on is in its arguments.
// Whoever is handed a string, a list or a situation owns it, and frees it with the function that the header has for it: an
// instance serves many calls, and what leaks in it stays.

#include <stdlib.h>
#include <string.h>

#include "routing_policy.h"

// The header's names say where each comes from; these are short enough to read.
typedef routing_policy_string_t string;
typedef exports_pointsman_plugin_policy_situation_t situation;
typedef exports_pointsman_plugin_policy_decision_t decision;

enum { HOUR_MS = 3600000, NONE = -1 };

// Made once for each route that uses this policy; its settings never change afterwards.
struct exports_pointsman_plugin_policy_router_t {
    uint64_t from, to; // Hours of the day, UTC.
};
typedef exports_pointsman_plugin_policy_router_t router;

// --- deciding -------------------------------------------------------------------------------------------------------

static bool is_night(const router *self, uint64_t hour) {
    return self->from <= self->to ? self->from <= hour && hour < self->to : hour >= self->from || hour < self->to;
}

static bool is_tried(const situation *now, uint32_t target) {
    for (size_t i = 0; i < now->history.len; i++)
        if (now->history.ptr[i].target == target) return true;
    return false;
}

// The first untried target in the order of the hour. Two rounds: the ready ones, then those that have to wait.
static int64_t choose(const situation *now, bool night) {
    uint32_t count = (uint32_t)now->targets.len;
    for (int waiting = 0; waiting <= 1; waiting++)
        for (uint32_t i = 0; i < count; i++) {
            uint32_t target = night ? count - 1 - i : i;
            bool waits = now->targets.ptr[target].ready_in_ms > 0;
            if (now->targets.ptr[target].able && waits == waiting && !is_tried(now, target)) return target;
        }
    return NONE;
}

// Is one of the faults the caller's own, so that another provider would refuse the request as well?
static bool is_callers_own(const situation *now) {
    for (size_t i = 0; i < now->history.len; i++)
        switch (now->history.ptr[i].fault) {
            case POINTSMAN_PLUGIN_FAULTS_FAULT_KIND_INVALID_REQUEST:
            case POINTSMAN_PLUGIN_FAULTS_FAULT_KIND_CONTEXT_TOO_LONG:
            case POINTSMAN_PLUGIN_FAULTS_FAULT_KIND_CONTENT_POLICY:
            case POINTSMAN_PLUGIN_FAULTS_FAULT_KIND_TOO_LARGE: return true;
        }
    return false;
}

static void no_attempt(decision *ret, uint8_t action, const char *reason) {
    ret->action.tag = action;
    routing_policy_string_dup(&ret->reason, reason);
}

// Called for each request, and again after each attempt that failed. Depends on nothing but its arguments.
void exports_pointsman_plugin_policy_method_router_decide(router *self, situation *now, decision *ret) {
    bool night = is_night(self, now->now_unix_ms / HOUR_MS % 24);
    int64_t target = choose(now, night);
    memset(ret, 0, sizeof *ret); // At once, and with the timeouts that are configured.
    if (now->running.len > 0) {
        no_attempt(ret, EXPORTS_POINTSMAN_PLUGIN_POLICY_ACTION_WAIT, "one attempt at a time");
    } else if (is_callers_own(now)) {
        no_attempt(ret, EXPORTS_POINTSMAN_PLUGIN_POLICY_ACTION_GIVE_UP, "the request is at fault");
    } else if (target == NONE) {
        no_attempt(ret, EXPORTS_POINTSMAN_PLUGIN_POLICY_ACTION_GIVE_UP, "all were tried");
    } else {
        ret->action.tag = EXPORTS_POINTSMAN_PLUGIN_POLICY_ACTION_ATTEMPT;
        ret->action.val.attempt.target = (uint32_t)target;
        routing_policy_string_dup(&ret->reason, night ? "night" : "day");
    }
    exports_pointsman_plugin_policy_situation_free(now);
}

// --- settings: the route's `settings` table as JSON, such as {"from":20,"to":8} ---------------------------------------

typedef struct { const char *at, *end; } text;

// Goes past one character, if it comes next; blanks before it do not count.
static bool take(text *json, char wanted) {
    while (json->at < json->end && strchr(" \t\r\n", *json->at)) json->at++;
    if (json->at == json->end || *json->at != wanted) return false;
    json->at++;
    return true;
}

static bool take_word(text *json, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0) return false;
    json->at += length;
    return true;
}

static bool take_hour(text *json, uint64_t *hour) {
    take(json, ' ');
    const char *start = json->at;
    for (*hour = 0; json->at < json->end && *json->at >= '0' && *json->at <= '9' && *hour <= 23; json->at++)
        *hour = *hour * 10 + (uint64_t)(*json->at - '0');
    return json->at > start && *hour <= 23;
}

// What is wrong with the settings, or NULL.
static const char *read_settings(text json, router *ret) {
    *ret = (router){ .from = 22, .to = 6 };
    if (!take(&json, '{')) return "the settings are no table";
    if (take(&json, '}')) return NULL;
    do {
        uint64_t *hour = NULL;
        if (!take(&json, '"')) return "the settings are no JSON";
        if (take_word(&json, "from\"")) hour = &ret->from;
        else if (take_word(&json, "to\"")) hour = &ret->to;
        else return "unknown setting: there are `from` and `to`";
        if (!take(&json, ':') || !take_hour(&json, hour)) return "`from` and `to` are hours, 0 to 23";
    } while (take(&json, ','));
    return take(&json, '}') ? NULL : "`from` and `to` are hours, 0 to 23";
}

// True when the settings are good. If not, `refusal` is shown to the operator.
bool exports_pointsman_plugin_policy_static_router_open(string *settings,
                                                        exports_pointsman_plugin_policy_list_target_t *targets,
                                                        exports_pointsman_plugin_policy_own_router_t *ret,
                                                        string *refusal) {
    const char *start = (const char *)settings->ptr;
    router *self = malloc(sizeof *self);
    if (self == NULL) abort();
    const char *wrong = read_settings((text){ start, start + settings->len }, self);
    if (wrong == NULL) {
        *ret = exports_pointsman_plugin_policy_router_new(self);
    } else {
        routing_policy_string_dup(refusal, wrong);
        free(self);
    }
    routing_policy_string_free(settings);
    exports_pointsman_plugin_policy_list_target_free(targets);
    return wrong == NULL;
}

void exports_pointsman_plugin_policy_router_destructor(router *self) {
    free(self);
}
