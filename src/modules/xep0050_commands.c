/* XEP-0050 Ad-Hoc Commands, version 1.3.0
 *
 * For administrators of a host and of its rooms, and at a room for whom a command allows: the
 * protocol is in core/command.c, the commands are in the tables of modules (xep0133_admin.c,
 * xep0133_rooms.c, xep0317_hats.c). A request in any language is
 * answered in English, and the answer says so (section 3.7): refusing it would keep out all whose
 * clients name their own.
 *
 * Left out: announcing the list in a message (section 2.3), which is optional. Options: admins of
 * a host. Stores: nothing. */
#include "core/command.h"

static enum outcome at_host(struct ctx *c, const struct stanza *iq)
{
	return command_request(c, iq, AT_HOST);
}

static enum outcome at_rooms(struct ctx *c, const struct stanza *iq)
{
	return command_request(c, iq, AT_ROOMS);
}

static enum outcome at_room(struct ctx *c, const struct stanza *iq)
{
	return command_request(c, iq, AT_ROOM);
}

static enum outcome host_items(struct ctx *c, const struct stanza *iq)
{
	return command_list(c, iq, AT_HOST);
}

static enum outcome rooms_items(struct ctx *c, const struct stanza *iq)
{
	return command_list(c, iq, AT_ROOMS);
}

static enum outcome room_items(struct ctx *c, const struct stanza *iq)
{
	return command_list(c, iq, AT_ROOM);
}

static enum outcome list_info(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_DISCO_INFO);
	w_attr(&w, "node", STR(COMMANDS_NODE));
	w_open(&w, "identity");
	w_attr(&w, "category", STR("automation"));
	w_attr(&w, "type", STR("command-list"));
	w_attr(&w, "name", STR("Commands"));
	w_close(&w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

const struct module xep0050_commands = {
	.name = "commands",
	.spec = "XEP-0050 1.3.0",
	.features = (const char *const[]){ COMMANDS_NODE, NULL },
	.service_features = (const char *const[]){ COMMANDS_NODE, NULL },
	.room_features = (const char *const[]){ COMMANDS_NODE, NULL },
	.nodes = (const struct disco_node[]){
		{ COMMANDS_NODE, AT_HOST, list_info, host_items },
		{ COMMANDS_NODE, AT_ROOMS, list_info, rooms_items },
		{ COMMANDS_NODE, AT_ROOM, list_info, room_items },
		{ 0 } },
	.iq = (const struct iq_rule[]){
		{ IQ_SET, NS_COMMANDS, TAG_COMMAND, AT_HOST, at_host },
		{ IQ_SET, NS_COMMANDS, TAG_COMMAND, AT_ROOMS, at_rooms },
		{ IQ_SET, NS_COMMANDS, TAG_COMMAND, AT_ROOM, at_room },
		{ 0 } },
};
