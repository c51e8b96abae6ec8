/* CRC-32C (Castagnoli), the checksum of the ledger's files: RFC 3720 section 12.1.
 *
 * By the instruction of SSE 4.2 where the processor has it, by tables elsewhere. It finds
 * what a disk or a cut breaks; it is no protection from somebody who forges. */
#ifndef STORE_LEDGER_CRC_H
#define STORE_LEDGER_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, which is 0 (or a salt) at first and else the result for what came
 * before. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* The same, always by tables. For the test that compares the two. */
uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n);

#endif
