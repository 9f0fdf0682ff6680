"""Encrypts texts as a Mozilla profile's password store does.

    LD_LIBRARY_PATH=/usr/lib/thunderbird python3 nss.py PROFILE TEXT …   # prints JSON

A process of its own, because it needs the NSS libraries that Thunderbird ships.
"""

import base64
import ctypes
import json
import sys


class Item(ctypes.Structure):
    """NSS's SECItem."""

    _fields_ = [("kind", ctypes.c_uint), ("data", ctypes.c_void_p), ("length", ctypes.c_uint)]


def encrypt(nss, text):
    octets = text.encode()
    plain = Item(0, ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p), len(octets))
    key, result = Item(0, None, 0), Item(0, None, 0)
    done = nss.PK11SDR_Encrypt(
        ctypes.byref(key), ctypes.byref(plain), ctypes.byref(result), None
    )
    assert done == 0, "PK11SDR_Encrypt"
    return base64.b64encode(ctypes.string_at(result.data, result.length)).decode()


def main(profile, *texts):
    nss = ctypes.CDLL("libnss3.so")
    assert nss.NSS_InitReadWrite(f"sql:{profile}".encode()) == 0, "NSS_InitReadWrite"
    nss.PK11_GetInternalKeySlot.restype = ctypes.c_void_p
    slot = ctypes.c_void_p(nss.PK11_GetInternalKeySlot())
    if nss.PK11_NeedUserInit(slot):
        assert nss.PK11_InitPin(slot, None, b"") == 0, "PK11_InitPin"
    assert nss.PK11_Authenticate(slot, 1, None) == 0, "PK11_Authenticate"
    print(json.dumps([encrypt(nss, text) for text in texts]))
    nss.PK11_FreeSlot(slot)
    nss.NSS_Shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
