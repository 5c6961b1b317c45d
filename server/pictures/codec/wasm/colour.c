/* Colours to sRGB by Little CMS. */
#include "photo.h"
#include <lcms2.h>

static cmsHTRANSFORM transform;

/* Has colours converted from the picture's profile from now on, where that is one of RGB. */
void EXPORT(colour_open)(void) {
  cmsHPROFILE from = cmsOpenProfileFromMem((const void *)picture.icc, picture.icc_size), to = cmsCreate_sRGBProfile();
  if (!from || !to || cmsGetColorSpace(from) != cmsSigRgbData) return;
  transform = cmsCreateTransform(from, TYPE_RGB_8, to, TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_BLACKPOINTCOMPENSATION);
  cmsCloseProfile(from);
  cmsCloseProfile(to);
}

void colour_convert(uint8_t *rgb, uint32_t pixels) {
  if (transform) cmsDoTransform(transform, rgb, rgb, pixels);
}
