// The policy without any WebAssembly: a program of this machine that includes it.

#include <stdio.h>

#include "policy.c"

// What the host does, as far as the tests need it.
static router *opened;
exports_pointsman_plugin_policy_own_router_t exports_pointsman_plugin_policy_router_new(router *self) {
    opened = self;
    return (exports_pointsman_plugin_policy_own_router_t){ 1 };
}
void routing_policy_string_dup(string *ret, const char *words) {
    *ret = (string){ (uint8_t *)strdup(words), strlen(words) };
}
void routing_policy_string_free(string *gone) { free(gone->ptr); }
void exports_pointsman_plugin_policy_list_target_free(exports_pointsman_plugin_policy_list_target_t *gone) { (void)gone; }
void exports_pointsman_plugin_policy_situation_free(situation *gone) { (void)gone; }

enum { NIGHT = 23, NOON = 12, REFUSED = -2, WAITS = -3 };
typedef exports_pointsman_plugin_policy_target_state_t target;
static const target READY = { .able = true }, LATE = { .able = true, .ready_in_ms = 500 }, UNABLE = { .able = false };

// The target that is chosen, NONE for giving up, WAITS for waiting, REFUSED when the settings are.
static int64_t chosen_after(const char *settings, int hour, size_t count, const target targets[], size_t tries,
                            uint8_t fault, size_t running) {
    string json, refusal;
    exports_pointsman_plugin_policy_list_target_t none = { NULL, 0 };
    exports_pointsman_plugin_policy_own_router_t handle;
    routing_policy_string_dup(&json, settings);
    if (!exports_pointsman_plugin_policy_static_router_open(&json, &none, &handle, &refusal)) {
        routing_policy_string_free(&refusal);
        return REFUSED;
    }
    // The first `tries` targets were tried.
    exports_pointsman_plugin_policy_attempt_report_t history[] = { { .target = 0, .fault = fault }, { .target = 1, .fault = fault } };
    exports_pointsman_plugin_policy_running_attempt_t runs = { .target = 0 };
    situation now = { .targets = { (target *)targets, count }, .history = { history, tries }, .running = { &runs, running },
                      .now_unix_ms = (uint64_t)hour * HOUR_MS };
    decision made;
    exports_pointsman_plugin_policy_method_router_decide(opened, &now, &made);
    routing_policy_string_free(&made.reason);
    exports_pointsman_plugin_policy_router_destructor(opened);
    if (made.action.tag == EXPORTS_POINTSMAN_PLUGIN_POLICY_ACTION_GIVE_UP) return NONE;
    if (made.action.tag == EXPORTS_POINTSMAN_PLUGIN_POLICY_ACTION_WAIT) return WAITS;
    return made.action.val.attempt.target;
}

static int64_t chosen(const char *settings, int hour, size_t count, const target targets[], size_t tries) {
    return chosen_after(settings, hour, count, targets, tries, POINTSMAN_PLUGIN_FAULTS_FAULT_KIND_OVERLOADED, 0);
}

static int passed, failed;
static void is(const char *what, int64_t got, int64_t expected) {
    if (got == expected) { passed++; return; }
    failed++;
    printf("%s: %lld, but %lld was expected\n", what, (long long)got, (long long)expected);
}

int main(void) {
    const target ready[] = { READY, READY, READY }, late[] = { LATE, READY }, unable[] = { UNABLE, LATE };
    is("the first by day", chosen("{}", NOON, 3, ready, 0), 0);
    is("the last by night", chosen("{}", NIGHT, 3, ready, 0), 2);
    is("the night is where the settings say", chosen("{\"from\":11, \"to\" : 13}", NOON, 2, ready, 0), 1);
    is("each is tried once", chosen("{}", NOON, 2, ready, 1), 1);
    is("then it is over", chosen("{}", NOON, 2, ready, 2), NONE);
    is("ready ones first", chosen("{}", NOON, 2, late, 0), 1);
    is("none that cannot serve the request", chosen("{}", NOON, 2, unable, 0), 1);
    is("while one runs it waits", chosen_after("{}", NOON, 3, ready, 0, 0, 1), WAITS);
    is("what is wrong goes nowhere else",
       chosen_after("{}", NOON, 3, ready, 1, POINTSMAN_PLUGIN_FAULTS_FAULT_KIND_INVALID_REQUEST, 0), NONE);
    const char *senseless[] = { "{\"from\":24}", "{\"form\":20}", "{\"from\":\"6\"}", "{\"to\":-1}", "{\"to\":1.5}",
                                "{\"from\":99999999999999999999}", "{\"from\":}", "[]", "" };
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++)
        is(senseless[i], chosen(senseless[i], NOON, 1, ready, 0), REFUSED);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
