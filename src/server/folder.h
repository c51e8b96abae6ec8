/* Small work on folders of data: copying a file of bounded size, removing a copy. */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#define FOLDER_FILE_MAX (4 * 1024 * 1024) /* bytes of a file that is copied */

/* Makes a folder for its owner alone, or takes one that is there and has nothing in it; *made
 * says which. False with errno: ENOTEMPTY, or what was in the way. */
bool folder_make(const char *path, bool *made);

/* Copies a file, which must not be there yet, with mode 0600, and syncs it. False with errno. */
bool folder_copy_file(const char *from, const char *to);

/* Syncs the names in a folder. False with errno. */
bool folder_sync(const char *path);

/* Removes what is in a folder, and in the folders of it down to `depth`; then, if `itself`, the
 * folder. What cannot be removed stays. */
void folder_remove(const char *path, int depth, bool itself);

/* The bytes of all files in it, in the same way. */
uint64_t folder_bytes(const char *path, int depth);

#endif
