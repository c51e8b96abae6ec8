/* For tests: a component on a socket that is connected already. */
#ifndef LIB_COMPONENT_PRIVATE_H
#define LIB_COMPONENT_PRIVATE_H

#include "stentor/component.h"

/* As stentor_component_start(), but over this descriptor, which it owns from now on. */
void component_start_on(struct stentor_component *c, int fd);

#endif
