#include "photo.h"

#include <stdio.h>
#include <stdlib.h>

struct picture picture;
char failure[200];

struct picture *EXPORT(about)(void) { return &picture; }
char *EXPORT(why)(void) { return failure; }
_Noreturn void fail(const char *message) {
  snprintf(failure, sizeof failure, "%s", message);
  __builtin_trap();
}

uint8_t *whole(uint32_t size) {
  uint8_t *data = malloc(size);
  if (!data) fail("out of memory");
  photo_seek(0);
  for (uint32_t n = 0; n < size;) {
    int32_t got = photo_read(data + n, size - n);
    if (got <= 0) fail("the file is shorter than it was");
    n += got;
  }
  return data;
}
