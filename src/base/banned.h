/* Calls that have no length or a hidden global become compile errors. Forced into every
 * file by the build (-include). */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#pragma GCC poison strcpy strncpy strcat strncat sprintf vsprintf strtok gets ctime asctime
#pragma GCC poison gmtime localtime atoi atol rand srand

#endif
