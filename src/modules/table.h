/* The list of modules, made from meson.build. */
#ifndef MODULES_TABLE_H
#define MODULES_TABLE_H

#include "core/module.h"

extern const struct module *const modules[]; /* NULL-terminated */

#endif
