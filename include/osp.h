/*
 * osp.h: the only C contract between the proxy (Go) and its owner (Python).
 *
 * Memory
 *   Nobody frees across the border, with one exception that is spelled out: a
 *   `char *` that a function stores through a `char **` belongs to the caller,
 *   who gives it back to osp_free. Everything else is lent: what the owner passes
 *   is read (and copied where it must last) before the function returns; what the
 *   library passes to the owner's functions is valid until they return.
 *   Texts have a length and need no terminating zero; texts that the library hands
 *   out have one. All of them are UTF-8, but for those of an osp_about.
 *
 * Threads
 *   Every function may be called from any thread, at the same time as any other.
 *   No function keeps a lock while it calls the owner. Functions that can block
 *   say for how long.
 *
 * Processes
 *   The library must not be used in a child after a fork, and must never be
 *   dlclosed: both are limits of the Go runtime, which hangs or crashes then.
 *
 * Failures
 *   No call ends the process. A panic inside a call is caught and answered with
 *   OSP_INTERNAL; the handle is then poisoned: its server stops, its callbacks are
 *   cut off, and all that may still be done with it is osp_wait and osp_close.
 *
 * cffi reads the part between the two marks, which therefore has no macros.
 */
#ifndef OSP_H
#define OSP_H

#include <stddef.h>
#include <stdint.h>

/* cdef: begin */

/* What the functions return. */
enum osp_result {
    OSP_OK = 0,
    OSP_AGAIN = 1,        /* nothing yet: the time given is over */
    OSP_CONFIG_ERROR = 2, /* error: JSON [{"path": text, "message": text}, ...] */
    OSP_OS_ERROR = 3,     /* error: JSON {"errno": number, "message": text} */
    OSP_INTERNAL = 4,     /* error: JSON {"message": text}; where, see the log */
    OSP_BAD_HANDLE = 5,   /* no such handle: 0, never given, or closed */
    OSP_UNKNOWN_CALL = 6, /* the call is answered, timed out or never was */
    OSP_BAD_ARGUMENT = 7, /* a required pointer is null, or a length is absurd */
    OSP_AWAY = 8          /* error: JSON {"message": text}; the shared state can't be reached */
};

/* What the proxy asks its owner: a row for each callback, by the name of its
 * parameter in Python, with the JSON objects that are its question and its answer.
 * Members are found by their names, in any order; one with a "?" need not be there.
 * A byte that is not part of valid UTF-8 arrives as the escape \udc80 ... \udcff
 * (the surrogateescape of PEP 383), so two different byte strings never look alike. */
enum osp_question {
    OSP_ASK_HMAC_FETCHER = 1,
    /* {"access_key": text}
     * -> {"secret_key": text, "session_token"?: text, "expiration"?: Unix seconds,
     *     "ttl"?: seconds}
     *    or {"unknown": true} */
    OSP_ASK_VALIDATOR = 2,
    /* {"token": text, "bucket": text, "request"?: {...}}
     * -> {"allow": true or false, "ttl"?: seconds, "reason"?: text,
     *     "once"?: true, for this very request only,
     *     "limits"?: text, the class of limits that holds for the client} */
    OSP_ASK_BUCKET_CREDS_FETCHER = 3,
    /* {"token": text, "bucket": text}
     * -> {"credentials": text} */
    OSP_ASK_SHADOW_VALIDATOR = 4,
    /* {"token": text, "bucket": text, "request"?: {...}}, for which no request waits
     * -> {"allow": true or false, "ttl"?: seconds, "reason"?: text,
     *     "once"?: true, for this very request only, "limits"?: text} */
    OSP_ASK_ROLE_ASSUMER = 5
    /* {"request": {...}}
     * -> {"assumed": true or false, "name"?: text, "token"?: text,
     *     "claims"?: {text: [text, ...], ...}, "tags"?: {text: text, ...},
     *     "policy"?: JSON in a text, "duration"?: seconds} */
};

/* What `ask` returns, unless it is the length of an answer. Failure is 0, so that
 * whatever goes wrong is a deny. */
enum osp_asked {
    OSP_ASK_FAILED = 0,
    OSP_ASK_ANSWERED = -1, /* osp_answer was called before the return */
    OSP_ASK_PENDING = -2   /* osp_answer follows, from any thread */
};

/* The owner's side of all callbacks; osp_start copies the struct. It must stay
 * callable until the process ends.
 *
 * ask   is called on threads that the library made, several at the same time (at
 *       most callback_concurrency for each handle, and four more for a shadow), without any lock. `json` is
 *       valid until it returns, and so is `answer`: an answer of no more than `room`
 *       bytes may be put there, and its length returned. After the handle's osp_wait returned OSP_OK it is
 *       not called again, but a call that outlived the drain time may still be
 *       running then; what it answers has no effect.
 * user  is the owner's number, handed back as it is. */
typedef struct {
    uint64_t user;
    int32_t (*ask)(uint64_t user, uint64_t call, int32_t question, const char *json, size_t len,
                   char *answer, size_t room);
} osp_callbacks;

/* A text that is lent to the library for the time of the call. */
typedef const char *osp_text;

/* Checks a configuration without starting anything; reads the files with certificates
 * and policies that it names. It is a JSON object of ProxyServerConfig's parameters; those with
 * a default other than None must be there, since the library has no defaults for them.
 * -> OSP_OK, OSP_CONFIG_ERROR, OSP_INTERNAL, OSP_BAD_ARGUMENT.
 * *error is set to NULL or to a text for osp_free. */
int32_t osp_check(osp_text config, size_t len, char **error);

/* Says what a policy makes of a request, without sending it: {"policy": as in a
 * configuration, "token"?: text, "method": text, "target": text as on the wire,
 * "headers"?: {name: text}, "client_ip"?: text, "secure"?: true for https, "time"?: Unix
 * seconds, "complete"?, "keys"? and "unknown_operations"?: as in an entry, "session"?: of
 * temporary keys, for whom "token" stands then: {"role"?: text, "role_policy"?: as in a role,
 * "name"?: text, "policies"?: [policy, ...], "claims"?: {name: text or list of texts},
 * "tags"?: {name: text}}}. *json is set to NULL or to a text for osp_free:
 * {"allowed": true or false, "questions": [{"operation": text, "action": text, "resource":
 * text, "effect": "allow", "deny" or "nothing", "policy": its path in the request,
 * "statement"?: text, "line"?: number}, ...]}, all that would be asked; after OSP_CONFIG_ERROR the mistakes.
 * -> OSP_OK, OSP_CONFIG_ERROR, OSP_INTERNAL, OSP_BAD_ARGUMENT. */
int32_t osp_explain(osp_text request, size_t len, char **json);

/* Says what a policy makes of the requests of an access log: {"policy": as in a
 * configuration, "complete"?: as in an entry, "requests": [{"token"?: text, "role"?: text,
 * "session"?: text, which only temporary keys have, "operation": text, "method": text, "bucket"?: text, "key"?: percent-encoded text, "client_ip"?: text,
 * "secure"?: true for https, "time": text as in the log}, ...]}. *json is set to NULL or to a
 * text for osp_free: [{"allowed": true or false, "decided": one of osp_explain's questions,
 * the one that is refused or the first, "missing"?: [text, ...], condition keys and other
 * things that the outcome may depend on and the log lacks}, ...], in the order of the
 * requests; after OSP_CONFIG_ERROR the mistakes.
 * -> OSP_OK, OSP_CONFIG_ERROR, OSP_INTERNAL, OSP_BAD_ARGUMENT. */
int32_t osp_replay(osp_text requests, size_t len, char **json);

/* Starts a server in the background. When it returns OSP_OK the ports are bound
 * and *handle is a positive number; otherwise *handle is 0 and nothing runs.
 * -> OSP_OK, OSP_CONFIG_ERROR, OSP_OS_ERROR (a port in use, no right to bind it),
 *    OSP_INTERNAL, OSP_BAD_ARGUMENT.
 * *error is set to NULL or to a text for osp_free. */
int32_t osp_start(osp_text config, size_t len, osp_callbacks *callbacks, int32_t *handle, char **error);

/* Tells the ports that are bound, 0 for a front that does not exist:
 * JSON {"http_port": number, "https_port": number, "metrics_port": number}, for
 * osp_free.
 * -> OSP_OK, OSP_BAD_HANDLE, OSP_INTERNAL, OSP_BAD_ARGUMENT. */
int32_t osp_info(int32_t handle, char **json);

/* Swaps the stores, the client keys, the policies, the limits, or several of them, of a server that
 * runs: JSON {"cos_map"?, "hmac_keystore"?, "policy"?, "shadow_policy"?, "limits"?} as in osp_start's; what is
 * missing stays as it is, also beside another update. Requests under way end with what they began with;
 * after a mistake nothing has changed.
 * -> OSP_OK, OSP_CONFIG_ERROR, OSP_BAD_HANDLE, OSP_INTERNAL, OSP_BAD_ARGUMENT.
 * *error is set to NULL or to a text for osp_free. */
int32_t osp_update(int32_t handle, osp_text update, size_t len, char **error);

/* Issues temporary keys, in whose requests callbacks and policies see a token of the
 * owner's: {"token": text, "ttl": seconds, "name"?: text, "policy"?: as in a
 * configuration, without principals, "claims"?: {name: text or [text, ...]}}.
 * *json is set to NULL or to a text for osp_free: {"access_key": text, "secret_key": text,
 * "session_token": text, "expiration": Unix seconds}; after OSP_CONFIG_ERROR the mistakes.
 * -> OSP_OK, OSP_CONFIG_ERROR, OSP_BAD_HANDLE, OSP_INTERNAL, OSP_BAD_ARGUMENT. */
int32_t osp_issue(int32_t handle, osp_text request, size_t len, char **json);

/* osp_issue by the keyring of a configuration (as osp_start's), without a server.
 * -> as osp_issue, OSP_CONFIG_ERROR (also without shared_keys), but not OSP_BAD_HANDLE. */
int32_t osp_mint(osp_text config, size_t len, osp_text request, size_t request_len, char **json);

/* What a revocation is about: bytes as clients sent them, not necessarily UTF-8; NULL
 * stands for all. With a role, a subject or both it is about temporary keys alone. */
typedef struct {
    osp_text token;
    size_t token_len;
    osp_text bucket;
    size_t bucket_len;
    osp_text role;
    size_t role_len;
    osp_text subject;
    size_t subject_len;
    int32_t keep_sessions; /* not 0: no temporary keys end */
} osp_about;

/* Forgets what callbacks and token services said about a token, a bucket or, with
 * both, about the two together, and ends temporary keys: unless a bucket is given, all
 * that were issued until now under that token, or have it as their access key. Whoever
 * comes after it has returned OSP_OK is served
 * by nothing that was asked for before: answers to questions under way change nothing.
 * In a fleet this holds for all replicas, for which it waits at most wait_ms
 * milliseconds; this one has forgotten in any case.
 * -> OSP_OK, OSP_AGAIN (recorded, but not every replica has confirmed it yet), OSP_AWAY
 *    (not recorded, as far as is known), OSP_BAD_HANDLE, OSP_INTERNAL, OSP_BAD_ARGUMENT.
 * *error is set to NULL or to a text for osp_free. */
int32_t osp_forget(int32_t handle, osp_about *about, int64_t wait_ms, char **error);

/* osp_forget for the fleet of a configuration (as osp_start's), without a server.
 * -> as osp_forget, OSP_CONFIG_ERROR (also without shared_state), but not OSP_BAD_HANDLE. */
int32_t osp_revoke(osp_text config, size_t len, osp_about *about, int64_t wait_ms, char **error);

/* Looks at the shared state of a configuration (as osp_start's) and does once what
 * a replica does there, within wait_ms milliseconds. What is wrong is told in the
 * report: JSON {"server": text, "seconds": number of a round trip, "clock_offset":
 * seconds, "eviction": text, "copies": number, "replicas": number, "problems": [text]}.
 * -> OSP_OK (*text is the report), OSP_CONFIG_ERROR (also without shared_state; *text is
 *    the error), OSP_INTERNAL, OSP_BAD_ARGUMENT.
 * *text is set to NULL or to a text for osp_free. */
int32_t osp_examine(osp_text config, size_t len, int64_t wait_ms, char **text);

/* Opens the file of the access log anew, after somebody has moved it away. Does
 * nothing where the access log is none or no file. After an error the old file
 * stays in use.
 * -> OSP_OK, OSP_OS_ERROR, OSP_BAD_HANDLE, OSP_INTERNAL, OSP_BAD_ARGUMENT.
 * *error is set to NULL or to a text for osp_free. */
int32_t osp_reopen_logs(int32_t handle, char **error);

/* Begins to stop and returns at once. From now on /readyz says 503, and each response
 * ends its connection. For delay_ms milliseconds everything is still served; then
 * there are no new connections, requests in flight and callbacks under way get drain_ms
 * milliseconds, and connections are cut. A later call can shorten both times, never
 * lengthen them.
 * -> OSP_OK, OSP_BAD_HANDLE, OSP_INTERNAL. */
int32_t osp_stop(int32_t handle, int64_t delay_ms, int64_t drain_ms);

/* Blocks for at most timeout_ms milliseconds until the server has stopped.
 * -> OSP_OK (stopped), OSP_AGAIN (not yet), OSP_BAD_HANDLE, OSP_INTERNAL. */
int32_t osp_wait(int32_t handle, int64_t timeout_ms);

/* Forgets the handle; a server that still runs is cut off first, without
 * waiting.
 * -> OSP_OK, OSP_BAD_HANDLE, OSP_INTERNAL. */
int32_t osp_close(int32_t handle);

/* Answers a call of `ask`, during it (what has no room there) or, after
 * OSP_ASK_PENDING, later. The answer
 * is copied; the first one counts.
 * -> OSP_OK, OSP_UNKNOWN_CALL (harmless), OSP_INTERNAL, OSP_BAD_ARGUMENT. */
int32_t osp_answer(uint64_t call, osp_text json, size_t len);

/* Blocks for at most timeout_ms milliseconds until there are log lines of any
 * server of the process, and hands out all there are:
 * JSON {"dropped": number, "lines": [{"time": Unix seconds, "level": number,
 * "msg": text, ...}, ...]}, for osp_free. Lines wait in a bounded ring; dropped
 * counts those that found it full since the last call. Levels are those of
 * Python's logging (10 debug ... 40 error); from this call on, lines below
 * `level` are not made.
 * -> OSP_OK, OSP_AGAIN, OSP_INTERNAL, OSP_BAD_ARGUMENT. */
int32_t osp_log_next(int32_t level, int64_t timeout_ms, char **json);

/* Has a thread that waits in osp_log_next return at once, or the next one that would wait.
 * -> OSP_OK, OSP_INTERNAL. */
int32_t osp_log_wake(void);

/* Turns the process-wide count of requests on (not 0) or off.
 * -> OSP_OK, OSP_INTERNAL. */
int32_t osp_count_enable(int32_t on);

/* Returns the requests counted so far. */
uint64_t osp_count_get(void);

/* Returns the version; the text belongs to the library and lives for ever. */
osp_text osp_version(void);

/* Frees a text that the library handed out; NULL is allowed. */
void osp_free(char *text);

/* cdef: end */

#endif
