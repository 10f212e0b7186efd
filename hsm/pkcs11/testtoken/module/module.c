/*
 * The test token's PKCS#11 module: it checks its arguments, writes each call into a message, sends that over a Unix
 * socket to the token's process, and reads the answer. It keeps nothing but the number that C_Initialize was given. The
 * messages are described in the comment of the Go package. Compile with -DSOCKET="the socket's path".
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CK_PTR *
#define CK_DECLARE_FUNCTION(type, name) type name
#define CK_DECLARE_FUNCTION_POINTER(type, name) type(*name)
#define CK_CALLBACK_FUNCTION(type, name) type(*name)
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include <pkcs11.h>

#define LIMIT 16384 /* the length of the longest message in bytes */

/* A message that is being written or read. Once bad, it stays so and nothing more is written to or read from it. */
struct message {
	unsigned char bytes[LIMIT];
	size_t length; /* of what is written, or of what came */
	size_t at;     /* the next byte to read */
	int bad;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of application */
static uint64_t application;                              /* 0 before C_Initialize and after C_Finalize */

static uint64_t current(void)
{
	pthread_mutex_lock(&mutex);
	uint64_t a = application;
	pthread_mutex_unlock(&mutex);
	return a;
}

/* Writing. */

static void put_raw(struct message *m, const void *p, size_t n)
{
	if (m->bad || n > LIMIT - m->length || (p == NULL && n > 0)) {
		m->bad = 1;
		return;
	}
	if (n > 0)
		memcpy(m->bytes + m->length, p, n);
	m->length += n;
}

static void put_number(struct message *m, uint64_t n)
{
	unsigned char b[8];
	for (int i = 7; i >= 0; i--, n >>= 8)
		b[i] = (unsigned char)n;
	put_raw(m, b, sizeof b);
}

static void put_bytes(struct message *m, const void *p, size_t n)
{
	put_number(m, n);
	put_raw(m, p, n);
}

static void put_template(struct message *m, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	if (a == NULL && n > 0)
		m->bad = 1;
	put_number(m, n);
	for (CK_ULONG i = 0; i < n && !m->bad; i++) {
		put_number(m, a[i].type);
		put_bytes(m, a[i].pValue, a[i].ulValueLen);
	}
}

static void put_mechanism(struct message *m, const CK_MECHANISM *mechanism)
{
	if (mechanism == NULL) {
		m->bad = 1;
		return;
	}
	put_number(m, mechanism->mechanism);
	put_bytes(m, mechanism->pParameter, mechanism->ulParameterLen);
}

/* Reading. */

static const unsigned char *get_raw(struct message *m, size_t n)
{
	if (m->bad || n > m->length - m->at) {
		m->bad = 1;
		return NULL;
	}
	m->at += n;
	return m->bytes + m->at - n;
}

static CK_ULONG get_number(struct message *m)
{
	const unsigned char *b = get_raw(m, 8);
	uint64_t n = 0;
	for (int i = 0; b != NULL && i < 8; i++)
		n = n << 8 | b[i];
	return n;
}

/* get_bytes reads bytes whose length the token says into *p, and returns the length. */
static size_t get_bytes(struct message *m, const unsigned char **p)
{
	size_t n = get_number(m);
	*p = get_raw(m, n);
	return *p == NULL ? 0 : n;
}

/* get_text reads exactly n bytes. */
static void get_text(struct message *m, void *field, size_t n)
{
	const unsigned char *p;
	if (get_bytes(m, &p) == n && !m->bad)
		memcpy(field, p, n);
	else
		m->bad = 1;
}

static CK_VERSION get_version(struct message *m)
{
	CK_VERSION v = {0, 0};
	v.major = (CK_BYTE)get_number(m);
	v.minor = (CK_BYTE)get_number(m);
	return v;
}

/* Sending. */

static int transfer(int fd, unsigned char *p, size_t n, int sending)
{
	while (n > 0) {
		ssize_t done = sending ? send(fd, p, n, MSG_NOSIGNAL) : recv(fd, p, n, 0);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int exchange(int fd, struct message *m)
{
	unsigned char head[4];
	for (int i = 0; i < 4; i++)
		head[i] = (unsigned char)(m->length >> (24 - 8 * i));
	if (transfer(fd, head, sizeof head, 1) != 0 || transfer(fd, m->bytes, m->length, 1) != 0 ||
	    transfer(fd, head, sizeof head, 0) != 0)
		return -1;
	m->length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	m->at = 0;
	if (m->length > LIMIT)
		return -1;
	return transfer(fd, m->bytes, m->length, 0);
}

static void begin(struct message *m, const char *function)
{
	m->length = m->at = 0;
	m->bad = 0;
	put_bytes(m, function, strlen(function));
	put_number(m, current());
}

/* call sends the message, receives the answer into it and returns the answer's code. No process, no token. */
static CK_RV call(struct message *m)
{
	if (m->bad) {
		explicit_bzero(m->bytes, m->length);
		return CKR_ARGUMENTS_BAD;
	}
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return CKR_HOST_MEMORY;
	size_t sent = m->length;
	CK_RV rv = CKR_DEVICE_REMOVED;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && exchange(fd, m) == 0)
		rv = get_number(m);
	else
		m->bad = 1;
	close(fd);
	size_t kept = m->bad ? 0 : m->length; /* a PIN or a secret that was sent is wiped */
	if (sent > kept)
		explicit_bzero(m->bytes + kept, sent - kept);
	return rv;
}

/* end returns the code of a call, or an error for an answer that could not be read. */
static CK_RV end(const struct message *m, CK_RV rv)
{
	return rv == CKR_OK && m->bad ? CKR_GENERAL_ERROR : rv;
}

/* START begins a function that needs C_Initialize first. */
#define START                                       \
	struct message m;                           \
	if (current() == 0)                         \
		return CKR_CRYPTOKI_NOT_INITIALIZED; \
	begin(&m, __func__)

#define NEED(pointer)         \
	if ((pointer) == NULL) \
	return CKR_ARGUMENTS_BAD

/* The module and its slots. */

CK_RV C_Initialize(CK_VOID_PTR arguments)
{
	(void)arguments; /* locking is the system's, in any case */
	if (current() != 0)
		return CKR_CRYPTOKI_ALREADY_INITIALIZED;
	struct message m;
	begin(&m, __func__);
	CK_RV rv = call(&m);
	uint64_t given = rv == CKR_OK ? get_number(&m) : 0;
	if (given == 0)
		return rv == CKR_OK ? CKR_GENERAL_ERROR : rv;
	pthread_mutex_lock(&mutex);
	int second = application != 0;
	if (!second)
		application = given;
	pthread_mutex_unlock(&mutex);
	return second ? CKR_CRYPTOKI_ALREADY_INITIALIZED : CKR_OK;
}

CK_RV C_Finalize(CK_VOID_PTR reserved)
{
	if (reserved != NULL)
		return CKR_ARGUMENTS_BAD;
	START;
	pthread_mutex_lock(&mutex);
	application = 0;
	pthread_mutex_unlock(&mutex);
	call(&m); /* without a process there is nothing to end */
	return CKR_OK;
}

CK_RV C_GetInfo(CK_INFO_PTR info)
{
	NEED(info);
	START;
	CK_RV rv = call(&m);
	if (rv != CKR_OK)
		return rv;
	memset(info, 0, sizeof *info);
	info->cryptokiVersion = get_version(&m);
	get_text(&m, info->manufacturerID, sizeof info->manufacturerID);
	info->flags = get_number(&m);
	get_text(&m, info->libraryDescription, sizeof info->libraryDescription);
	info->libraryVersion = get_version(&m);
	return end(&m, rv);
}

/* get_list reads numbers into a caller's list of *count places, by PKCS#11's rules for a list that is NULL or short. */
static CK_RV get_list(struct message *m, CK_ULONG *list, CK_ULONG *count)
{
	CK_ULONG room = *count, n = get_number(m);
	*count = n;
	if (list == NULL || m->bad)
		return end(m, CKR_OK);
	if (n > room)
		return CKR_BUFFER_TOO_SMALL;
	for (CK_ULONG i = 0; i < n; i++)
		list[i] = get_number(m);
	return end(m, CKR_OK);
}

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
	NEED(count);
	START;
	put_number(&m, present);
	CK_RV rv = call(&m);
	return rv == CKR_OK ? get_list(&m, list, count) : rv;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
	NEED(info);
	START;
	put_number(&m, slot);
	CK_RV rv = call(&m);
	if (rv != CKR_OK)
		return rv;
	memset(info, 0, sizeof *info);
	get_text(&m, info->slotDescription, sizeof info->slotDescription);
	get_text(&m, info->manufacturerID, sizeof info->manufacturerID);
	info->flags = get_number(&m);
	info->hardwareVersion = get_version(&m);
	info->firmwareVersion = get_version(&m);
	return end(&m, rv);
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	NEED(info);
	START;
	put_number(&m, slot);
	CK_RV rv = call(&m);
	if (rv != CKR_OK)
		return rv;
	memset(info, 0, sizeof *info);
	get_text(&m, info->label, sizeof info->label);
	get_text(&m, info->manufacturerID, sizeof info->manufacturerID);
	get_text(&m, info->model, sizeof info->model);
	get_text(&m, info->serialNumber, sizeof info->serialNumber);
	info->flags = get_number(&m);
	info->ulMaxSessionCount = get_number(&m);
	info->ulSessionCount = get_number(&m);
	info->ulMaxRwSessionCount = get_number(&m);
	info->ulRwSessionCount = get_number(&m);
	info->ulMaxPinLen = get_number(&m);
	info->ulMinPinLen = get_number(&m);
	info->ulTotalPublicMemory = info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulTotalPrivateMemory = info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
	info->hardwareVersion = get_version(&m);
	info->firmwareVersion = get_version(&m);
	memset(info->utcTime, ' ', sizeof info->utcTime);
	return end(&m, rv);
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
	NEED(count);
	START;
	put_number(&m, slot);
	CK_RV rv = call(&m);
	return rv == CKR_OK ? get_list(&m, list, count) : rv;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
	NEED(info);
	START;
	put_number(&m, slot);
	put_number(&m, type);
	CK_RV rv = call(&m);
	if (rv != CKR_OK)
		return rv;
	info->ulMinKeySize = get_number(&m);
	info->ulMaxKeySize = get_number(&m);
	info->flags = get_number(&m);
	return end(&m, rv);
}

/* Sessions. */

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR notified, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR session)
{
	(void)notified;
	(void)notify;
	NEED(session);
	START;
	put_number(&m, slot);
	put_number(&m, flags);
	CK_RV rv = call(&m);
	if (rv == CKR_OK)
		*session = get_number(&m);
	return end(&m, rv);
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
	START;
	put_number(&m, session);
	return call(&m);
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slot)
{
	START;
	put_number(&m, slot);
	return call(&m);
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
	NEED(info);
	START;
	put_number(&m, session);
	CK_RV rv = call(&m);
	if (rv != CKR_OK)
		return rv;
	info->slotID = get_number(&m);
	info->state = get_number(&m);
	info->flags = get_number(&m);
	info->ulDeviceError = 0;
	return end(&m, rv);
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length)
{
	START;
	put_number(&m, session);
	put_number(&m, user);
	put_bytes(&m, pin, length);
	return call(&m);
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
	START;
	put_number(&m, session);
	return call(&m);
}

/* Objects. */

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_template,
			CK_ULONG public_count, CK_ATTRIBUTE_PTR private_template, CK_ULONG private_count,
			CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
	NEED(public_key);
	NEED(private_key);
	START;
	put_number(&m, session);
	put_mechanism(&m, mechanism);
	put_template(&m, public_template, public_count);
	put_template(&m, private_template, private_count);
	CK_RV rv = call(&m);
	if (rv == CKR_OK) {
		*public_key = get_number(&m);
		*private_key = get_number(&m);
	}
	return end(&m, rv);
}

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR object)
{
	NEED(object);
	START;
	put_number(&m, session);
	put_template(&m, template, count);
	CK_RV rv = call(&m);
	if (rv == CKR_OK)
		*object = get_number(&m);
	return end(&m, rv);
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	START;
	put_number(&m, session);
	put_number(&m, object);
	return call(&m);
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
	START;
	put_number(&m, session);
	put_template(&m, template, count);
	return call(&m);
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG room, CK_ULONG_PTR count)
{
	NEED(objects);
	NEED(count);
	START;
	put_number(&m, session);
	put_number(&m, room);
	CK_RV rv = call(&m);
	*count = room;
	return rv == CKR_OK ? get_list(&m, objects, count) : rv;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	START;
	put_number(&m, session);
	return call(&m);
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
	NEED(template);
	START;
	put_number(&m, session);
	put_number(&m, object);
	put_number(&m, count);
	for (CK_ULONG i = 0; i < count; i++)
		put_number(&m, template[i].type);
	CK_RV rv = call(&m);
	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE && rv != CKR_ATTRIBUTE_TYPE_INVALID)
		return rv;
	for (CK_ULONG i = 0; i < count && !m.bad; i++) {
		CK_ULONG there = get_number(&m);
		const unsigned char *value;
		size_t n = get_bytes(&m, &value);
		CK_ULONG room = template[i].ulValueLen;
		template[i].ulValueLen = there ? n : CK_UNAVAILABLE_INFORMATION;
		if (!there || template[i].pValue == NULL || m.bad)
			continue;
		if (n > room) {
			template[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
			rv = CKR_BUFFER_TOO_SMALL;
		} else if (n > 0) {
			memcpy(template[i].pValue, value, n);
		}
	}
	return end(&m, rv);
}

/* Signing, and random bytes. */

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	START;
	put_number(&m, session);
	put_mechanism(&m, mechanism);
	put_number(&m, key);
	return call(&m);
}

/* The token is told how much room there is, or that the caller only asks for the length. */
CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR room)
{
	NEED(room);
	START;
	put_number(&m, session);
	put_bytes(&m, data, length);
	put_number(&m, signature != NULL);
	put_number(&m, *room);
	CK_RV rv = call(&m);
	if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
		return rv;
	CK_ULONG n = get_number(&m);
	const unsigned char *made;
	size_t given = get_bytes(&m, &made);
	if (m.bad || (rv == CKR_OK && signature != NULL && (given != n || n > *room)))
		return CKR_GENERAL_ERROR;
	*room = n;
	if (rv == CKR_OK && signature != NULL && n > 0)
		memcpy(signature, made, n);
	return rv;
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR random, CK_ULONG length)
{
	NEED(random);
	START;
	put_number(&m, session);
	put_number(&m, length);
	CK_RV rv = call(&m);
	if (rv == CKR_OK)
		get_text(&m, random, length);
	return end(&m, rv);
}

/* The list of functions: those above, and for every other one an answer that says that it is not there. */

static CK_RV unsupported(void)
{
	return CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_FUNCTION_LIST functions = {
	{2, 40},
#define CK_PKCS11_FUNCTION_INFO(name) (CK_##name)(void (*)(void))unsupported,
#include <pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
};

static void fill(void)
{
#define OFFER(name) functions.name = name
	OFFER(C_Initialize), OFFER(C_Finalize), OFFER(C_GetInfo), OFFER(C_GetFunctionList), OFFER(C_GetSlotList);
	OFFER(C_GetSlotInfo), OFFER(C_GetTokenInfo), OFFER(C_GetMechanismList), OFFER(C_GetMechanismInfo);
	OFFER(C_OpenSession), OFFER(C_CloseSession), OFFER(C_CloseAllSessions), OFFER(C_GetSessionInfo);
	OFFER(C_Login), OFFER(C_Logout), OFFER(C_GenerateKeyPair), OFFER(C_CreateObject), OFFER(C_DestroyObject);
	OFFER(C_FindObjectsInit), OFFER(C_FindObjects), OFFER(C_FindObjectsFinal), OFFER(C_GetAttributeValue);
	OFFER(C_SignInit), OFFER(C_Sign), OFFER(C_GenerateRandom);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	NEED(list);
	pthread_once(&once, fill);
	*list = &functions;
	return CKR_OK;
}
