/* What the decoders and their host (codec.go) share. */
#ifndef PODIUM_PHOTO_H
#define PODIUM_PHOTO_H
#include <stddef.h>
#include <stdint.h>

/* Imports from the host: the file. */
__attribute__((import_module("photo"), import_name("read"))) int32_t photo_read(void *to, int32_t size);
__attribute__((import_module("photo"), import_name("seek"))) void photo_seek(int64_t offset);

#define EXPORT(name) __attribute__((export_name(#name))) name

/* What is known of a picture, read by the host field by field. */
struct picture {
  uint32_t width, height;     /* of the whole picture */
  uint32_t out_width, out_height; /* of the rows that come out */
  uint32_t need;              /* memory that decoding takes, in bytes; UINT32_MAX for more than there is */
  uint32_t damaged;           /* whether pixels were lost */
  uint32_t icc, icc_size;     /* colour profile, 0 for none */
  uint32_t exif, exif_size;   /* TIFF data, 0 for none */
  uint32_t upright;           /* whether EXIF's orientation is applied already, or does not count */
  /* What the host does not look at: whether red, green and blue are the same everywhere, and whether samples are inks. */
  uint32_t grey, inks;
};
enum { INKS = 1, INKS_INVERTED }; /* inverted: 0 is all of an ink */
extern struct picture picture;

/* fail stops the decoder for good. The host reads the message. */
extern char failure[200];
_Noreturn void fail(const char *message);

/* colour_convert converts pixels to sRGB, in place, where colours are to be converted and are no inks. */
void colour_convert(uint8_t *rgb, uint32_t pixels);
/* colour_to is the same for samples of any kind, where colour_converts. */
int colour_converts(void);
void colour_to(uint8_t *rgb, const uint8_t *samples, uint32_t pixels);
/* Has colours converted that are told by codes of ITU-T H.273, as far as they are not those of sRGB. */
void colour_of_code(int primaries, int transfer);
/* Has colours converted of white, red, green and blue at these places (CIE xy), and this gamma. */
void colour_of_primaries(const double xy[8], double gamma);
/* The memory that converting from the picture's profile takes. */
uint64_t colour_need(void);

/* whole reads all of the file. */
uint8_t *whole(uint32_t size);

static inline uint32_t clamp32(uint64_t n) { return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n; }
#endif
