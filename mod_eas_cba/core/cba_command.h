/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of ActiveSync: their names, their codes in a base64 query, and sets of them. Pure
 * functions; any thread.
 */
#ifndef CBA_COMMAND_H
#define CBA_COMMAND_H

#include <stdint.h>

#include "cba_span.h"

/* Up to protocol version 16.1 (MS-ASHTTP 2.2.1.1.1.1.2), in the order of their codes, then those of
 * 2.5 and before, which have a name only. */
enum cba_command {
    CBA_COMMAND_NONE = 0,
    CBA_COMMAND_SYNC,
    CBA_COMMAND_SENDMAIL,
    CBA_COMMAND_SMARTFORWARD,
    CBA_COMMAND_SMARTREPLY,
    CBA_COMMAND_GETATTACHMENT,
    CBA_COMMAND_FOLDERSYNC,
    CBA_COMMAND_FOLDERCREATE,
    CBA_COMMAND_FOLDERDELETE,
    CBA_COMMAND_FOLDERUPDATE,
    CBA_COMMAND_MOVEITEMS,
    CBA_COMMAND_GETITEMESTIMATE,
    CBA_COMMAND_MEETINGRESPONSE,
    CBA_COMMAND_SEARCH,
    CBA_COMMAND_SETTINGS,
    CBA_COMMAND_PING,
    CBA_COMMAND_ITEMOPERATIONS,
    CBA_COMMAND_PROVISION,
    CBA_COMMAND_RESOLVERECIPIENTS,
    CBA_COMMAND_VALIDATECERT,
    CBA_COMMAND_FIND,
    CBA_COMMAND_GETHIERARCHY,
    CBA_COMMAND_CREATECOLLECTION,
    CBA_COMMAND_DELETECOLLECTION,
    CBA_COMMAND_MOVECOLLECTION,
    CBA_COMMAND_NOTIFY,
    CBA_COMMAND_LEGACY, /* codes 5 to 8: one of the first four above, it is not published which */
    CBA_COMMAND_COUNT
};

/* A set of commands: bit 1 << command. */
#define CBA_COMMANDS_ALL UINT32_MAX

/* The name as in Cmd=; "Legacy" for CBA_COMMAND_LEGACY, "-" for NONE and whatever is no command. */
const char *cba_command_name(enum cba_command command);

/* By name, without case. NONE: no command has it (none is called "Legacy" in a request). */
enum cba_command cba_command_parse(struct cba_span name);

/* By its code in a base64 query. NONE: no command has it. */
enum cba_command cba_command_of_code(unsigned code);

/* Is it in the set? LEGACY is where all four are that it may be; NONE is in no set. */
bool cba_command_in(enum cba_command command, uint32_t set);

#endif
