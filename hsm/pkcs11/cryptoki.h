// The few declarations of PKCS #11 v2.40 that cryptoki.go calls by itself. Words are the machine's unsigned long.
#ifndef DVKEYS_CRYPTOKI_H
#define DVKEYS_CRYPTOKI_H

typedef unsigned long word; // CK_ULONG

typedef struct { // CK_MECHANISM
	word type;
	void *parameter;
	word length;
} mechanism;

typedef struct { // CK_GCM_PARAMS
	unsigned char *iv;
	word iv_bytes, iv_bits;
	unsigned char *aad;
	word aad_bytes, tag_bits;
} gcm_parameters;

typedef struct { // CK_FUNCTION_LIST
	unsigned char major, minor;
	void *call[68];
} functions;

// Places in call.
enum { C_Login = 18, C_EncryptInit = 29, C_Encrypt = 30, C_DecryptInit = 33, C_Decrypt = 34 };

typedef word (*init_call)(word session, mechanism *m, word key);
typedef word (*data_call)(word session, const unsigned char *in, word in_bytes, unsigned char *out, word *out_bytes);
typedef word (*login_call)(word session, word user, const unsigned char *pin, word pin_bytes);
typedef word (*list_call)(functions **list);

#endif
