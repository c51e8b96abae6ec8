/* XMPP addresses (RFC 7622).
 *
 * An address is text in the program's hands, and canonical text when it comes from this library:
 * two addresses are the same exactly when strcmp() says so. struct stentor_jid takes one apart. */
#ifndef STENTOR_JID_H
#define STENTOR_JID_H

#ifdef __cplusplus
extern "C" {
#endif

struct stentor_jid;

/* Parses and normalises: case of the localpart and of the domain, IDNA2008, Unicode forms. NULL
 * when the text is no address. Free with stentor_jid_free(). */
struct stentor_jid *stentor_jid_new(const char *text);

/* The same from parts; local and resource may be NULL. */
struct stentor_jid *stentor_jid_make(const char *local, const char *domain, const char *resource);

/* Frees and sets to NULL. */
void stentor_jid_free(struct stentor_jid **jid);

/* Canonical, valid as long as the address. "" for a part that is not there. */
const char *stentor_jid_full(const struct stentor_jid *jid);
const char *stentor_jid_bare(const struct stentor_jid *jid);
const char *stentor_jid_local(const struct stentor_jid *jid);
const char *stentor_jid_domain(const struct stentor_jid *jid);
const char *stentor_jid_resource(const struct stentor_jid *jid);

#ifdef __cplusplus
}
#endif

#endif
