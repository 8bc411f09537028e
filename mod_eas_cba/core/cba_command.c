/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_command.h"

#define LEGACY_FIRST 5 /* codes of CBA_COMMAND_LEGACY */
#define LEGACY_LAST  8

static const char *const names[CBA_COMMAND_COUNT] = {
    [CBA_COMMAND_NONE] = "-",
    [CBA_COMMAND_SYNC] = "Sync",
    [CBA_COMMAND_SENDMAIL] = "SendMail",
    [CBA_COMMAND_SMARTFORWARD] = "SmartForward",
    [CBA_COMMAND_SMARTREPLY] = "SmartReply",
    [CBA_COMMAND_GETATTACHMENT] = "GetAttachment",
    [CBA_COMMAND_FOLDERSYNC] = "FolderSync",
    [CBA_COMMAND_FOLDERCREATE] = "FolderCreate",
    [CBA_COMMAND_FOLDERDELETE] = "FolderDelete",
    [CBA_COMMAND_FOLDERUPDATE] = "FolderUpdate",
    [CBA_COMMAND_MOVEITEMS] = "MoveItems",
    [CBA_COMMAND_GETITEMESTIMATE] = "GetItemEstimate",
    [CBA_COMMAND_MEETINGRESPONSE] = "MeetingResponse",
    [CBA_COMMAND_SEARCH] = "Search",
    [CBA_COMMAND_SETTINGS] = "Settings",
    [CBA_COMMAND_PING] = "Ping",
    [CBA_COMMAND_ITEMOPERATIONS] = "ItemOperations",
    [CBA_COMMAND_PROVISION] = "Provision",
    [CBA_COMMAND_RESOLVERECIPIENTS] = "ResolveRecipients",
    [CBA_COMMAND_VALIDATECERT] = "ValidateCert",
    [CBA_COMMAND_FIND] = "Find",
    [CBA_COMMAND_GETHIERARCHY] = "GetHierarchy",
    [CBA_COMMAND_CREATECOLLECTION] = "CreateCollection",
    [CBA_COMMAND_DELETECOLLECTION] = "DeleteCollection",
    [CBA_COMMAND_MOVECOLLECTION] = "MoveCollection",
    [CBA_COMMAND_NOTIFY] = "Notify",
    [CBA_COMMAND_LEGACY] = "Legacy",
};

const char *cba_command_name(enum cba_command command)
{
    return (unsigned)command < CBA_COMMAND_COUNT ? names[command] : names[CBA_COMMAND_NONE];
}

enum cba_command cba_command_parse(struct cba_span name)
{
    for (unsigned i = CBA_COMMAND_NONE + 1; i < CBA_COMMAND_LEGACY; i++) {
        if (cba_span_equal_nocase(name, cba_span_str(names[i]))) {
            return (enum cba_command)i;
        }
    }
    return CBA_COMMAND_NONE;
}

enum cba_command cba_command_of_code(unsigned code)
{
    if (code < LEGACY_FIRST) {
        return (enum cba_command)(CBA_COMMAND_SYNC + code);
    }
    if (code <= LEGACY_LAST) {
        return CBA_COMMAND_LEGACY;
    }
    code -= LEGACY_LAST + 1;
    return code <= CBA_COMMAND_FIND - CBA_COMMAND_FOLDERSYNC
               ? (enum cba_command)(CBA_COMMAND_FOLDERSYNC + code)
               : CBA_COMMAND_NONE;
}

bool cba_command_in(enum cba_command command, uint32_t set)
{
    uint32_t bits = UINT32_C(1) << ((unsigned)command % 32);

    if (command == CBA_COMMAND_NONE || (unsigned)command >= CBA_COMMAND_COUNT) {
        return false;
    }
    if (command == CBA_COMMAND_LEGACY) {
        bits =
            UINT32_C(1) << CBA_COMMAND_GETHIERARCHY | UINT32_C(1) << CBA_COMMAND_CREATECOLLECTION |
            UINT32_C(1) << CBA_COMMAND_DELETECOLLECTION | UINT32_C(1) << CBA_COMMAND_MOVECOLLECTION;
    }
    return (set & bits) == bits;
}
