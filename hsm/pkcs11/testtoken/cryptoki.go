package testtoken

// The numbers of PKCS#11 2.40 that the token uses, and those of IBM's vendor mechanism.
const (
	ckrOK                      = 0x00
	ckrSlotIDInvalid           = 0x03
	ckrGeneralError            = 0x05
	ckrArgumentsBad            = 0x07
	ckrAttributeSensitive      = 0x11
	ckrAttributeTypeInvalid    = 0x12
	ckrAttributeValueInvalid   = 0x13
	ckrDataLenRange            = 0x21
	ckrDeviceRemoved           = 0x32
	ckrFunctionNotSupported    = 0x54
	ckrKeyHandleInvalid        = 0x60
	ckrKeyFunctionNotPermitted = 0x68
	ckrMechanismInvalid        = 0x70
	ckrMechanismParamInvalid   = 0x71
	ckrObjectHandleInvalid     = 0x82
	ckrOperationActive         = 0x90
	ckrOperationNotInitialized = 0x91
	ckrPinIncorrect            = 0xa0
	ckrPinLocked               = 0xa4
	ckrSessionHandleInvalid    = 0xb3
	ckrSessionParallelNotSupp  = 0xb4
	ckrSessionReadOnly         = 0xb5
	ckrTemplateIncomplete      = 0xd0
	ckrTokenNotPresent         = 0xe0
	ckrUserAlreadyLoggedIn     = 0x100
	ckrUserNotLoggedIn         = 0x101
	ckrUserTypeInvalid         = 0x103
	ckrCurveNotSupported       = 0x140
	ckrBufferTooSmall          = 0x150
	ckrCryptokiNotInitialized  = 0x190

	ckaClass            = 0x00
	ckaToken            = 0x01
	ckaPrivate          = 0x02
	ckaLabel            = 0x03
	ckaValue            = 0x11
	ckaKeyType          = 0x100
	ckaSensitive        = 0x103
	ckaSign             = 0x108
	ckaExtractable      = 0x162
	ckaLocal            = 0x163
	ckaNeverExtractable = 0x164
	ckaAlwaysSensitive  = 0x165
	ckaECParams         = 0x180
	ckaECPoint          = 0x181

	ckoPublicKey  = 2
	ckoPrivateKey = 3
	ckkEC         = 3

	ckmECKeyPairGen  = 0x1040
	ckmIBMECDSAOther = 0x80010031
	ibmBLS           = 6 // the submechanism

	ckfTokenPresent    = 0x01
	ckfRemovable       = 0x02
	ckfRNG             = 0x01
	ckfLoginRequired   = 0x04
	ckfUserPINSet      = 0x08
	ckfTokenInit       = 0x400
	ckfUserPINLocked   = 0x40000
	ckfRWSession       = 0x02
	ckfSerialSession   = 0x04
	ckfGenerateKeyPair = 0x10000
	ckfSign            = 0x800

	ckuUser = 1
)

// curve is the DER encoding of the curve's OID, 1.3.6.1.4.1.2.267.999.3.2.
const curve = "\x06\x0c\x2b\x06\x01\x04\x01\x02\x82\x0b\x87\x67\x03\x02"
