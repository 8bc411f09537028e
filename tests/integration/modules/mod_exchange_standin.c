/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_exchange_standin: what stands in for Exchange on the bench, once httpd has authenticated.
 *
 * It reads the whole request body, writes one JSON line about the request to StandinRecord, and
 * answers ActiveSync commands with the canned WBXML of StandinAnswers, everything else with that
 * same JSON. A request may ask for another answer: by pairs in the header X-Play or in the query,
 * or by a file `next.*` in StandinControl, which the next request takes and deletes.
 *
 *   status=449 reason=TEXT   status line            size=N chunked=1  body of N bytes
 *   delay=S                  wait before answering  stall=S           wait between header and body
 *   early=1                  answer before reading  close=1           Connection: close
 *   drop=1 | drop=half       no answer, half of it  header=Name:Value further header (repeatable)
 *   json=1                   the JSON as body
 *
 * Test code: configuration is only read after start; a request's data live in r->pool; waits watch
 * the connection and note in the record when the other side left (event "gone").
 */
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include <apr_base64.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <httpd.h>

#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_script.h>

#include <openssl/evp.h>

APLOG_USE_MODULE(exchange_standin);

#define HEAD_LIMIT        4096
#define PROTOCOL_VERSIONS "2.0,2.1,2.5,12.0,12.1,14.0,14.1,16.0,16.1"
#define WBXML_TYPE        "application/vnd.ms-sync.wbxml"

/* Per virtual server; pool pconf. */
struct standin_conf {
    const char *record;  /* file of JSON lines, or NULL */
    const char *control; /* folder of `next.*` files, or NULL */
    const char *name;    /* what X-Backend says */
    apr_hash_t *answers; /* file name without suffix -> struct answer */
    double ping;         /* a change is reported after so many seconds; 0: never */
};

struct answer {
    const char *data;
    apr_size_t length;
};

/* What is known of one request body. */
struct body {
    apr_off_t length;
    bool complete;
    char sha256[65];
    unsigned char head[HEAD_LIMIT];
    apr_size_t head_length;
};

/* Names of the command codes of MS-ASHTTP 2.2.1.1.1.1.2; empty: not assigned. */
static const char *const commands[] = {
    "Sync",
    "SendMail",
    "SmartForward",
    "SmartReply",
    "GetAttachment",
    "",
    "",
    "",
    "",
    "FolderSync",
    "FolderCreate",
    "FolderDelete",
    "FolderUpdate",
    "MoveItems",
    "GetItemEstimate",
    "MeetingResponse",
    "Search",
    "Settings",
    "Ping",
    "ItemOperations",
    "Provision",
    "ResolveRecipients",
    "ValidateCert",
    "Find",
};

/* ---- the request ---------------------------------------------------------------------------- */

static void read_body(request_rec *r, struct body *body)
{
    char buffer[16384];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    long got = 0;

    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    body->complete = true;
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        body->complete = false;
    } else if (ap_should_client_block(r)) {
        while ((got = ap_get_client_block(r, buffer, sizeof(buffer))) > 0) {
            apr_size_t room = HEAD_LIMIT - body->head_length;
            apr_size_t part = (apr_size_t)got < room ? (apr_size_t)got : room;
            memcpy(body->head + body->head_length, buffer, part);
            body->head_length += part;
            body->length += got;
            EVP_DigestUpdate(context, buffer, (size_t)got);
        }
        body->complete = got == 0;
    }
    EVP_DigestFinal_ex(context, digest, &digest_length);
    EVP_MD_CTX_free(context);
    ap_bin2hex(digest, digest_length, body->sha256);
}

static bool body_has(const struct body *body, const char *bytes, apr_size_t length)
{
    for (apr_size_t i = 0; i + length <= body->head_length; i++) {
        if (memcmp(body->head + i, bytes, length) == 0) {
            return true;
        }
    }
    return false;
}

/* The ActiveSync command of a request, or NULL: Cmd= of the query, or byte 1 of a base64 query. */
static const char *command_of(request_rec *r)
{
    const char *at;

    if (strncasecmp(r->uri, "/Microsoft-Server-ActiveSync", 28) != 0 || r->args == NULL) {
        return NULL;
    }
    for (at = r->args; at != NULL; at = (at = strchr(at, '&')) ? at + 1 : NULL) {
        if (strncasecmp(at, "Cmd=", 4) == 0) {
            return apr_pstrndup(r->pool, at + 4, strcspn(at + 4, "&"));
        }
    }
    if (strchr(r->args, '&') == NULL) {
        unsigned char *raw = apr_palloc(r->pool, (apr_size_t)apr_base64_decode_len(r->args) + 1);
        int length = apr_base64_decode_binary(raw, r->args);
        if (length > 6 && raw[1] < sizeof(commands) / sizeof(commands[0])) {
            return commands[raw[1]];
        }
    }
    return NULL;
}

/* ---- what the answer shall be ---------------------------------------------------------------- */

static void play_add(apr_pool_t *p, apr_table_t *play, const char *text)
{
    char *state = NULL, *pair, *copy = apr_pstrdup(p, text);

    for (pair = apr_strtok(copy, "&", &state); pair; pair = apr_strtok(NULL, "&", &state)) {
        char *value = strchr(pair, '=');
        if (value != NULL) {
            *value++ = '\0';
            for (char *c = value; *c; c++) {
                if (*c == '+') {
                    *c = ' ';
                }
            }
            ap_unescape_urlencoded(value);
            apr_table_add(play, pair, value);
        }
    }
}

/* Takes the first of the files next.*, in order of name; the rename decides who gets it. */
static void play_take(request_rec *r, const char *folder, apr_table_t *play)
{
    apr_dir_t *dir;
    apr_finfo_t info;
    const char *first = NULL, *mine;
    apr_file_t *file;
    char text[4096];
    apr_size_t length = sizeof(text) - 1;

    if (apr_dir_open(&dir, folder, r->pool) != APR_SUCCESS) {
        return;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (strncmp(info.name, "next.", 5) == 0 && (!first || strcmp(info.name, first) < 0)) {
            first = apr_pstrdup(r->pool, info.name);
        }
    }
    apr_dir_close(dir);
    if (first == NULL) {
        return;
    }
    mine = apr_psprintf(r->pool, "%s/taken.%ld.%pp", folder, (long)getpid(), (void *)r);
    if (apr_file_rename(apr_pstrcat(r->pool, folder, "/", first, NULL), mine, r->pool) !=
        APR_SUCCESS) {
        return;
    }
    if (apr_file_open(&file, mine, APR_READ, 0, r->pool) == APR_SUCCESS) {
        apr_status_t rv = apr_file_read_full(file, text, length, &length);
        if (rv == APR_SUCCESS || rv == APR_EOF) {
            text[length] = '\0';
            play_add(r->pool, play, text);
        }
        apr_file_close(file);
    }
    apr_file_remove(mine, r->pool);
}

static double play_number(const apr_table_t *play, const char *key)
{
    const char *value = apr_table_get(play, key);
    return value ? strtod(value, NULL) : 0;
}

/* ---- the record ------------------------------------------------------------------------------ */

static const char *json_string(apr_pool_t *p, const char *text)
{
    char *out, *at;

    if (text == NULL) {
        return "null";
    }
    at = out = apr_palloc(p, 6 * strlen(text) + 3);
    *at++ = '"';
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            *at++ = '\\';
            *at++ = (char)*c;
        } else if (*c < 0x20 || *c >= 0x7f) {
            at += apr_snprintf(at, 7, "\\u%04x", *c); /* bytes above 0x7f as latin-1 */
        } else {
            *at++ = (char)*c;
        }
    }
    *at++ = '"';
    *at = '\0';
    return out;
}

static const char *json_headers(request_rec *r)
{
    const apr_array_header_t *array = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)array->elts;
    const char *out = "[";

    for (int i = 0; i < array->nelts; i++) {
        out = apr_pstrcat(r->pool, out, i ? ", [" : "[", json_string(r->pool, entry[i].key), ", ",
                          json_string(r->pool, entry[i].val), "]", NULL);
    }
    return apr_pstrcat(r->pool, out, "]", NULL);
}

static const char *describe(request_rec *r, const struct standin_conf *conf,
                            const struct body *body, const char *event)
{
    conn_rec *c = r->connection;

    return apr_psprintf(
        r->pool,
        "{\"event\": \"%s\", \"time\": %.6f, \"backend\": %s, \"user\": %s, \"method\": %s, "
        "\"uri\": %s, \"query\": %s, \"protocol\": %s, \"command\": %s, \"connection\": "
        "\"%ld-%ld-%d\", \"requests\": %d, \"length\": %" APR_OFF_T_FMT ", \"sha256\": \"%s\", "
        "\"complete\": %s, \"headers\": %s}\n",
        event, (double)apr_time_now() / 1e6, json_string(r->pool, conf->name),
        json_string(r->pool, r->user), json_string(r->pool, r->method),
        json_string(r->pool, r->unparsed_uri), json_string(r->pool, r->args),
        json_string(r->pool, r->protocol), json_string(r->pool, command_of(r)), (long)getpid(),
        c->id, (int)c->client_addr->port, c->keepalives, body->length, body->sha256,
        body->complete ? "true" : "false", json_headers(r));
}

/* One write of one line: O_APPEND keeps lines of several processes apart. */
static void record(request_rec *r, const struct standin_conf *conf, const char *line)
{
    apr_file_t *file;

    if (conf->record != NULL &&
        apr_file_open(&file, conf->record, APR_WRITE | APR_APPEND | APR_CREATE, APR_OS_DEFAULT,
                      r->pool) == APR_SUCCESS) {
        apr_file_write_full(file, line, strlen(line), NULL);
        apr_file_close(file);
    }
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Waits; false when the other side has closed. What it sends meanwhile counts as leaving too:
 * mod_proxy does not pipeline, so it can only be the end of the TLS session. */
static bool hold(request_rec *r, double seconds)
{
    apr_socket_t *socket = ap_get_conn_socket(r->connection);
    apr_time_t end = apr_time_now() + (apr_time_t)(seconds * 1e6);
    struct pollfd watched = {.fd = -1, .events = POLLIN};

    apr_os_sock_get(&watched.fd, socket);
    for (;;) {
        apr_time_t left = end - apr_time_now();
        if (left <= 0) {
            return true;
        }
        int got = poll(&watched, 1, (int)((left < 250000 ? left : 250000) / 1000) + 1);
        if (got > 0) {
            return false;
        }
    }
}

static void set_common_headers(request_rec *r, const struct standin_conf *conf)
{
    apr_table_t *out = r->err_headers_out;

    apr_table_setn(out, "X-Backend-User", r->user ? r->user : "");
    apr_table_setn(out, "X-Backend", conf->name);
    apr_table_setn(out, "X-Backend-Connection",
                   apr_psprintf(r->pool, "%ld-%ld-%d", (long)getpid(), r->connection->id,
                                (int)r->connection->client_addr->port));
    apr_table_setn(out, "Cache-Control", "private");
    apr_table_setn(out, "MS-Server-ActiveSync", "15.2");
    apr_table_setn(out, "X-AspNet-Version", "4.0.30319");
    apr_table_setn(out, "X-FEServer", conf->name);
    apr_table_setn(out, "X-BEServer", conf->name);
    apr_table_setn(out, "Set-Cookie",
                   "X-BackEndCookie=actas1; path=/Microsoft-Server-ActiveSync; secure; HttpOnly");
}

static int add_header(void *data, const char *key, const char *value)
{
    request_rec *r = data;
    char *copy = apr_pstrdup(r->pool, value), *colon = strchr(copy, ':');

    (void)key;
    if (colon != NULL) {
        *colon++ = '\0';
        while (*colon == ' ') {
            colon++;
        }
        apr_table_add(r->err_headers_out, copy, colon);
    }
    return 1;
}

static const struct answer *canned(const struct standin_conf *conf, const char *name)
{
    return conf->answers ? apr_hash_get(conf->answers, name, APR_HASH_KEY_STRING) : NULL;
}

/* HeartbeatInterval of a Ping (code page 13, token 08), in seconds; 480 when the body has none. */
static double heartbeat_of(const struct body *body)
{
    for (apr_size_t i = 0; i + 3 < body->head_length; i++) {
        if (body->head[i] == 0x48 && body->head[i + 1] == 0x03) {
            char digits[12] = "";
            for (apr_size_t j = 0;
                 j < sizeof(digits) - 1 && i + 2 + j < body->head_length && body->head[i + 2 + j];
                 j++) {
                digits[j] = (char)body->head[i + 2 + j];
            }
            return strtod(digits, NULL);
        }
    }
    return 480;
}

/* Chooses the canned answer of a command. *gone: the phone's side left while we held a Ping. */
static const struct answer *answer_for(request_rec *r, const struct standin_conf *conf,
                                       const char *command, const struct body *body, bool *gone)
{
    *gone = false;
    if (strcmp(command, "Provision") == 0) {
        return canned(conf, body_has(body, "\x49\x03", 2) ? "provision-ack" : "provision");
    }
    if (strcmp(command, "FolderSync") == 0) {
        return canned(conf, body_has(body,
                                     "\x52\x03"
                                     "0\x00",
                                     4)
                                ? "foldersync"
                                : "foldersync-same");
    }
    if (strcmp(command, "Sync") == 0 && body_has(body, "\x4b\x03", 2)) {
        return canned(conf, body_has(body,
                                     "\x4b\x03"
                                     "0\x00",
                                     4)
                                ? "sync-start"
                                : "sync-mail");
    }
    if (strcmp(command, "Settings") == 0) {
        return canned(conf, "settings");
    }
    if (strcmp(command, "Ping") == 0) {
        double heartbeat = heartbeat_of(body);
        bool change = conf->ping > 0 && conf->ping < heartbeat;
        if (heartbeat < 60 || heartbeat > 3540) {
            return canned(conf, heartbeat < 60 ? "ping-short" : "ping-long");
        }
        *gone = !hold(r, change ? conf->ping : heartbeat);
        return canned(conf, change ? "ping-change" : "ping-same");
    }
    return NULL; /* 200 without a body: nothing new, or the mail was taken */
}

static void write_pattern(request_rec *r, apr_off_t size)
{
    char block[8192];

    for (apr_size_t i = 0; i < sizeof(block); i++) {
        block[i] = (char)('a' + i % 26);
    }
    while (size > 0 && !r->connection->aborted) {
        apr_size_t part = size < (apr_off_t)sizeof(block) ? (apr_size_t)size : sizeof(block);
        ap_rwrite(block, (int)part, r);
        size -= (apr_off_t)part;
    }
}

/* Ends the connection as a crashed server would: nothing more is sent. */
static int drop(request_rec *r)
{
    r->connection->aborted = 1;
    r->connection->keepalive = AP_CONN_CLOSE;
    return DONE;
}

static int send_answer(request_rec *r, const apr_table_t *play, const char *data, apr_size_t length,
                       const char *type)
{
    const char *size = apr_table_get(play, "size");
    const char *dropped = apr_table_get(play, "drop");
    apr_off_t announced = size ? apr_atoi64(size) : (apr_off_t)length;

    if (type != NULL && announced > 0) {
        ap_set_content_type(r, type);
    }
    if (apr_table_get(play, "chunked") == NULL) {
        ap_set_content_length(r, announced);
    }
    if (play_number(play, "stall") > 0) {
        ap_rflush(r);
        hold(r, play_number(play, "stall"));
    }
    if (dropped != NULL) {
        write_pattern(r, announced / 2);
        ap_rflush(r);
        return drop(r);
    }
    if (size != NULL) {
        write_pattern(r, announced);
    } else if (length > 0) {
        ap_rwrite(data, (int)length, r);
    }
    return OK;
}

static int options_answer(request_rec *r)
{
    apr_table_setn(r->headers_out, "Allow", "OPTIONS,POST");
    apr_table_setn(r->headers_out, "Public", "OPTIONS,POST");
    apr_table_setn(r->headers_out, "MS-ASProtocolVersions", PROTOCOL_VERSIONS);
    apr_table_setn(r->headers_out, "MS-ASProtocolCommands",
                   "Sync,SendMail,SmartForward,SmartReply,GetAttachment,GetHierarchy,"
                   "CreateCollection,DeleteCollection,MoveCollection,FolderSync,FolderCreate,"
                   "FolderDelete,FolderUpdate,MoveItems,GetItemEstimate,MeetingResponse,Search,"
                   "Settings,Ping,ItemOperations,Provision,ResolveRecipients,ValidateCert,Find");
    ap_set_content_length(r, 0);
    return OK;
}

static int standin_handler(request_rec *r)
{
    const struct standin_conf *conf;
    struct body *body = apr_pcalloc(r->pool, sizeof(*body));
    apr_table_t *play = apr_table_make(r->pool, 4);
    const char *command, *line, *header;
    const struct answer *answer = NULL;
    bool gone = false, early;

    if (r->handler == NULL || strcmp(r->handler, "exchange-standin") != 0) {
        return DECLINED;
    }
    conf = ap_get_module_config(r->server->module_config, &exchange_standin_module);
    if ((header = apr_table_get(r->headers_in, "X-Play")) != NULL) {
        play_add(r->pool, play, header);
    }
    if (r->args != NULL) {
        play_add(r->pool, play, r->args);
    }
    if (conf->control != NULL) {
        play_take(r, conf->control, play);
    }
    set_common_headers(r, conf);
    early = apr_table_get(play, "early") != NULL;
    if (early) {
        r->connection->keepalive = AP_CONN_CLOSE;
    } else {
        read_body(r, body);
    }
    line = describe(r, conf, body, "request");
    record(r, conf, line);
    if (!body->complete && !early) {
        return drop(r);
    }
    if (play_number(play, "delay") > 0) {
        gone = !hold(r, play_number(play, "delay"));
    }
    if (apr_table_get(play, "close")) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    apr_table_do(add_header, r, play, "header", NULL);
    if (apr_table_get(play, "drop") && strcmp(apr_table_get(play, "drop"), "half") != 0) {
        return drop(r);
    }
    if (apr_table_get(play, "status")) {
        const char *reason = apr_table_get(play, "reason");
        r->status = (int)play_number(play, "status");
        r->status_line = apr_psprintf(r->pool, "%03d %s", r->status, reason ? reason : "Played");
    }
    if (r->method_number == M_OPTIONS && r->status == HTTP_OK) {
        return options_answer(r);
    }
    command = command_of(r);
    if (command == NULL || apr_table_get(play, "json")) {
        return send_answer(r, play, line, strlen(line), "application/json");
    }
    if (r->status == HTTP_OK && !apr_table_get(play, "size") && !gone) {
        answer = answer_for(r, conf, command, body, &gone);
    }
    if (gone) {
        record(r, conf, describe(r, conf, body, "gone"));
        return drop(r);
    }
    return send_answer(r, play, answer ? answer->data : "", answer ? answer->length : 0,
                       WBXML_TYPE);
}

/* ---- configuration --------------------------------------------------------------------------- */

static void *create_conf(apr_pool_t *p, server_rec *s)
{
    struct standin_conf *conf = apr_pcalloc(p, sizeof(*conf));

    conf->name = s->server_hostname ? s->server_hostname : "standin";
    return conf;
}

static struct standin_conf *conf_of(cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config, &exchange_standin_module);
}

static const char *set_record(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    conf_of(cmd)->record = value;
    return NULL;
}

static const char *set_control(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    conf_of(cmd)->control = value;
    return NULL;
}

static const char *set_name(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    conf_of(cmd)->name = value;
    return NULL;
}

static const char *set_ping(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    conf_of(cmd)->ping = strtod(value, NULL);
    return NULL;
}

static const char *set_answers(cmd_parms *cmd, void *unused, const char *folder)
{
    struct standin_conf *conf = conf_of(cmd);
    apr_dir_t *dir;
    apr_finfo_t info;

    (void)unused;
    if (apr_dir_open(&dir, folder, cmd->temp_pool) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, "StandinAnswers: cannot read ", folder, NULL);
    }
    conf->answers = apr_hash_make(cmd->pool);
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        const char *suffix = strstr(info.name, ".wbxml"), *path;
        apr_file_t *file;
        apr_finfo_t facts;
        if (suffix == NULL) {
            continue;
        }
        path = apr_pstrcat(cmd->temp_pool, folder, "/", info.name, NULL);
        if (apr_file_open(&file, path, APR_READ, 0, cmd->temp_pool) != APR_SUCCESS ||
            apr_file_info_get(&facts, APR_FINFO_SIZE, file) != APR_SUCCESS) {
            return apr_pstrcat(cmd->pool, "StandinAnswers: cannot read ", path, NULL);
        }
        struct answer *answer = apr_palloc(cmd->pool, sizeof(*answer));
        char *data = apr_palloc(cmd->pool, (apr_size_t)facts.size + 1);
        answer->data = data;
        answer->length = (apr_size_t)facts.size;
        if (facts.size > 0 && apr_file_read_full(file, data, answer->length, NULL) != APR_SUCCESS) {
            return apr_pstrcat(cmd->pool, "StandinAnswers: cannot read ", path, NULL);
        }
        apr_file_close(file);
        apr_hash_set(conf->answers,
                     apr_pstrndup(cmd->pool, info.name, (apr_size_t)(suffix - info.name)),
                     APR_HASH_KEY_STRING, answer);
    }
    apr_dir_close(dir);
    return NULL;
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("StandinRecord", set_record, NULL, RSRC_CONF, "file of JSON lines"),
    AP_INIT_TAKE1("StandinControl", set_control, NULL, RSRC_CONF, "folder of next.* files"),
    AP_INIT_TAKE1("StandinName", set_name, NULL, RSRC_CONF, "name in X-Backend"),
    AP_INIT_TAKE1("StandinPing", set_ping, NULL, RSRC_CONF, "seconds until a Ping sees a change"),
    AP_INIT_TAKE1("StandinAnswers", set_answers, NULL, RSRC_CONF, "folder of NAME.wbxml files"),
    {NULL}};

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(standin_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA exchange_standin_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, create_conf, NULL, directives, register_hooks,
    AP_MODULE_FLAG_NONE};
