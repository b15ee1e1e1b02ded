"""The state tables: what is taken in which state, who handles it, and what comes next.

RFC 2409 5.1 to 5.4 (phase 1 by authentication method), 5.5 (Quick Mode), 5.6 (New Group Mode),
5.7 (Informational), RFC 2408 4.4 and 4.6 (Base, Authentication Only), draft-ietf-ipsec-ike-01 5.7,
draft-ietf-ipsec-isakmp-hybrid-auth-05 3.2 (hybrid authentication).
What has no row is refused. Payloads that may accompany any message of phase 1 are those of
RFC 2408 4.5 and RFC 3947 3.
"""

from __future__ import annotations

from conformance.ikev1 import acknowledged as ack
from conformance.ikev1 import aggressive_mode as am
from conformance.ikev1 import authentication_only as ao
from conformance.ikev1 import base_mode as base
from conformance.ikev1 import informational as info
from conformance.ikev1 import main_mode as mm
from conformance.ikev1 import new_group_mode as ng
from conformance.ikev1 import quick_mode as qm
from conformance.ikev1 import transaction as ta
from conformance.ikev1.config import MOST_SAS
from conformance.ikev1.constants import PayloadType as P
from conformance.ikev1.events import Role
from conformance.ikev1.state_table import Rule, State

_SA_NEXT, _KE_NEXT, _ID_NEXT = State.EXPECT_SA, State.EXPECT_KE, State.EXPECT_ID
_PROOF_NEXT = State.EXPECT_PROOF
_H1, _H2, _H3 = State.EXPECT_HASH_1, State.EXPECT_HASH_2, State.EXPECT_HASH_3
_DONE, _CON = State.DONE, State.EXPECT_CONNECTED
_I, _R = Role.INITIATOR, Role.RESPONDER
_HI, _HR = "hybrid-init", "hybrid-resp"
_CLEAR, _CRYPT, _EITHER = False, True, None

_SA, _HASH, _HASH_SA = (P.SA,), (P.HASH,), (P.HASH, P.SA)
_KE, _ID, _NONCE = (P.KE, P.NONCE), (P.ID, P.HASH), (P.NONCE,)
_ID_SIG, _KE_ID_SIG = (P.ID, P.SIG), (P.KE, P.NONCE, P.ID, P.SIG)
_SIG = (P.SIG,)
_KE_ID, _KE_ID_HASH = (P.KE, P.NONCE, P.ID), (P.KE, P.NONCE, P.ID, P.HASH)
_SA_MAY = (P.VID, P.N, P.CR, P.CERT)
_KE_MAY = (P.VID, P.N, P.CR, P.CERT, P.NAT_D, P.NAT_D_LATE_DRAFT)
_ID_MAY = (P.VID, P.N, P.CR, P.CERT, P.D)
_PROOF_MAY = (*_ID_MAY, P.NAT_D, P.NAT_D_LATE_DRAFT)
_ENC_MAY = (*_KE_MAY, P.HASH)
_ID_NI, _KE_HASH, _KE_SIG = (P.ID, P.NONCE), (P.KE, P.HASH), (P.KE, P.SIG)
_EITHER_MAY = (*_SA_MAY, P.HASH, P.SIG)
_QM_MAY = (
    *(P.SA,) * (MOST_SAS - 1),
    *(P.KE, P.ID, P.ID, P.N, P.VID, P.NAT_OA, P.NAT_OA_LATE_DRAFT),
)
_QM3_MAY = (P.N, P.VID)
_INFO_MAY = (P.N, P.D, P.VID)

# fmt: off
MAIN_MODE = (
    #  Initiator                  Responder
    #  HDR, SA             -->
    #                      <--    HDR, SA
    #  HDR, KE, Ni         -->
    #                      <--    HDR, KE, Nr
    #  HDR*, IDii, HASH_I  -->
    #                      <--    HDR*, IDir, HASH_R
    #
    #  role  auth   state     flag    first required optional handler                 next
    Rule(_R, None,  _SA_NEXT, _CLEAR, _SA,  (),      _SA_MAY, mm.answer_sa,           _KE_NEXT),
    Rule(_I, None,  _SA_NEXT, _CLEAR, _SA,  (),      _SA_MAY, mm.send_key_exchange,   _KE_NEXT),
    Rule(_R, "psk", _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.answer_key_exchange, _ID_NEXT),
    Rule(_I, "psk", _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.send_proof,          _ID_NEXT),
    Rule(_R, "psk", _ID_NEXT, _CRYPT, (),   _ID,     _ID_MAY, mm.answer_proof,        _DONE),
    Rule(_I, "psk", _ID_NEXT, _CRYPT, (),   _ID,     _ID_MAY, mm.finish,              _DONE),
    #
    #  HDR*, IDii, [ CERT, ] SIG_I  -->
    #                               <--    HDR*, IDir, [ CERT, ] SIG_R
    #
    Rule(_R, "sig", _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.answer_key_exchange, _ID_NEXT),
    Rule(_I, "sig", _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.send_proof,          _ID_NEXT),
    Rule(_R, "sig", _ID_NEXT, _CRYPT, (),   _ID_SIG, _ID_MAY, mm.answer_proof,        _DONE),
    Rule(_I, "sig", _ID_NEXT, _CRYPT, (),   _ID_SIG, _ID_MAY, mm.finish,              _DONE),
    #
    #  Hybrid: HASH of the side that XAUTH will authenticate, SIG of the other
    #
    #  HDR*, IDii, HASH_I  -->
    #                               <--    HDR*, IDir, [ CERT, ] SIG_R
    #
    Rule(_R, _HI,   _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.answer_key_exchange, _ID_NEXT),
    Rule(_I, _HI,   _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.send_proof,          _ID_NEXT),
    Rule(_R, _HI,   _ID_NEXT, _CRYPT, (),   _ID,     _ID_MAY, mm.answer_proof,        _DONE),
    Rule(_I, _HI,   _ID_NEXT, _CRYPT, (),   _ID_SIG, _ID_MAY, mm.finish,              _DONE),
    #
    #  HDR*, IDii, [ CERT, ] SIG_I  -->
    #                               <--    HDR*, IDir, HASH_R
    #
    Rule(_R, _HR,   _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.answer_key_exchange, _ID_NEXT),
    Rule(_I, _HR,   _KE_NEXT, _CLEAR, (),   _KE,     _KE_MAY, mm.send_proof,          _ID_NEXT),
    Rule(_R, _HR,   _ID_NEXT, _CRYPT, (),   _ID_SIG, _ID_MAY, mm.answer_proof,        _DONE),
    Rule(_I, _HR,   _ID_NEXT, _CRYPT, (),   _ID,     _ID_MAY, mm.finish,              _DONE),
    #
    #  HDR, [ HASH(1), ] KE, <IDii_b>PubKey_r, <Ni_b>PubKey_r  -->
    #                               <--    HDR, KE, <IDir_b>PubKey_i, <Nr_b>PubKey_i
    #  HDR*, HASH_I  -->
    #                               <--    HDR*, HASH_R
    #
    Rule(_R, "enc", _KE_NEXT, _CLEAR, (),   _KE_ID, _ENC_MAY, mm.answer_key_exchange, _PROOF_NEXT),
    Rule(_I, "enc", _KE_NEXT, _CLEAR, (),   _KE_ID, _KE_MAY,  mm.send_proof,          _PROOF_NEXT),
    Rule(_R, "enc", _PROOF_NEXT, _CRYPT, (), _HASH, _ID_MAY,  mm.answer_proof,        _DONE),
    Rule(_I, "enc", _PROOF_NEXT, _CRYPT, (), _HASH, _ID_MAY,  mm.finish,              _DONE),
    #
    #  HDR, [ HASH(1), ] <Ni_b>Pubkey_r, <KE_b>Ke_i, <IDii_b>Ke_i, [<<Cert-I_b>Ke_i]  -->
    #                               <--    HDR, <Nr_b>PubKey_i, <KE_b>Ke_r, <IDir_b>Ke_r
    #
    Rule(_R, "rev", _KE_NEXT, _CLEAR, (),   _KE_ID, _ENC_MAY, mm.answer_key_exchange, _PROOF_NEXT),
    Rule(_I, "rev", _KE_NEXT, _CLEAR, (),   _KE_ID, _KE_MAY,  mm.send_proof,          _PROOF_NEXT),
    Rule(_R, "rev", _PROOF_NEXT, _CRYPT, (), _HASH, _ID_MAY,  mm.answer_proof,        _DONE),
    Rule(_I, "rev", _PROOF_NEXT, _CRYPT, (), _HASH, _ID_MAY,  mm.finish,              _DONE),
)
"""Identity protection."""

AGGRESSIVE = (
    #  Initiator                    Responder
    #  HDR, SA, KE, Ni, IDii  -->
    #                         <--   HDR, SA, KE, Nr, IDir, HASH_R
    #  HDR, HASH_I            -->
    #
    #  role  auth   state        flag     first  required     optional handler        next
    Rule(_R, None,  _SA_NEXT,    _CLEAR,  _SA,   _KE_ID,      _ENC_MAY, am.answer_all, _PROOF_NEXT),
    Rule(_I, "psk", _SA_NEXT,    _CLEAR,  _SA,   _KE_ID_HASH, _KE_MAY, am.confirm,    _DONE),
    Rule(_R, "psk", _PROOF_NEXT, _EITHER, (),    _HASH,       _PROOF_MAY, am.finish,     _DONE),
    #
    #                         <--   HDR, SA, KE, Nr, IDir, [ CERT, ] SIG_R
    #  HDR, [ CERT, ] SIG_I   -->
    #
    Rule(_I, "sig", _SA_NEXT,    _CLEAR,  _SA,   _KE_ID_SIG,  _KE_MAY, am.confirm,    _DONE),
    Rule(_R, "sig", _PROOF_NEXT, _EITHER, (),    _SIG,        _PROOF_MAY, am.finish,     _DONE),
    #
    #  Hybrid                 <--   HDR, SA, KE, Nr, IDir, [ CERT, ] SIG_R
    #  HDR, HASH_I            -->
    #
    Rule(_I, _HI,   _SA_NEXT,    _CLEAR,  _SA,   _KE_ID_SIG,  _KE_MAY, am.confirm,    _DONE),
    Rule(_R, _HI,   _PROOF_NEXT, _EITHER, (),    _HASH,       _PROOF_MAY, am.finish,     _DONE),
    #
    #                         <--   HDR, SA, KE, Nr, IDir, HASH_R
    #  HDR, [ CERT, ] SIG_I   -->
    #
    Rule(_I, _HR,   _SA_NEXT,    _CLEAR,  _SA,   _KE_ID_HASH, _KE_MAY, am.confirm,    _DONE),
    Rule(_R, _HR,   _PROOF_NEXT, _EITHER, (),    _SIG,        _PROOF_MAY, am.finish,     _DONE),
    #
    #  HDR, SA, [ HASH(1), ] KE, <IDii_b>Pubkey_r, <Ni_b>Pubkey_r  -->
    #                         <--   HDR, SA, KE, <IDir_b>PubKey_i, <Nr_b>PubKey_i, HASH_R
    #  HDR, HASH_I            -->
    #
    Rule(_I, "enc", _SA_NEXT,    _CLEAR,  _SA,   _KE_ID_HASH, _KE_MAY, am.confirm,    _DONE),
    Rule(_R, "enc", _PROOF_NEXT, _EITHER, (),    _HASH,       _PROOF_MAY, am.finish,     _DONE),
    Rule(_I, "rev", _SA_NEXT,    _CLEAR,  _SA,   _KE_ID_HASH, _KE_MAY, am.confirm,    _DONE),
    Rule(_R, "rev", _PROOF_NEXT, _EITHER, (),    _HASH,       _PROOF_MAY, am.finish,     _DONE),
)
"""Three messages, without identity protection but with public key encryption."""

BASE = (
    #  Initiator                    Responder
    #  HDR, SA, IDii, Ni      -->
    #                         <--   HDR, SA, IDir, Nr
    #  HDR, KE, HASH_I        -->
    #                         <--   HDR, KE, HASH_R
    #
    #  role  auth   state        flag    first required  optional  handler           next
    Rule(_R, None,  _SA_NEXT,    _CLEAR, _SA,  _ID_NI,   _SA_MAY,  base.answer_sa,    _PROOF_NEXT),
    Rule(_I, None,  _SA_NEXT,    _CLEAR, _SA,  _ID_NI,   _SA_MAY,  base.send_proof,   _PROOF_NEXT),
    Rule(_R, "psk", _PROOF_NEXT, _CLEAR, (),   _KE_HASH, _KE_MAY,  base.answer_proof, _DONE),
    Rule(_I, "psk", _PROOF_NEXT, _CLEAR, (),   _KE_HASH, _KE_MAY,  base.finish,       _DONE),
    #
    #  HDR, KE, [ CERT, ] SIG_I  -->
    #                         <--   HDR, KE, [ CERT, ] SIG_R
    #
    Rule(_R, "sig", _PROOF_NEXT, _CLEAR, (),   _KE_SIG,  _KE_MAY,  base.answer_proof, _DONE),
    Rule(_I, "sig", _PROOF_NEXT, _CLEAR, (),   _KE_SIG,  _KE_MAY,  base.finish,       _DONE),
)
"""Four messages: identities in the clear, but everything can be negotiated."""

AUTHENTICATION_ONLY = (
    #  Initiator                    Responder
    #  HDR, SA, Ni            -->
    #                         <--   HDR, SA, Nr, IDir, HASH_R
    #  HDR, IDii, HASH_I      -->
    #
    #  role  auth   state        flag    first required  optional     handler     next
    Rule(_R, None,  _SA_NEXT,    _CLEAR, _SA,  _NONCE,   _SA_MAY,     ao.answer,  _PROOF_NEXT),
    Rule(_I, None,  _SA_NEXT,    _CLEAR, _SA,  _ID_NI,   _EITHER_MAY, ao.confirm, _DONE),
    Rule(_R, "psk", _PROOF_NEXT, _CLEAR, (),   _ID,      _ID_MAY,     ao.finish,  _DONE),
    #
    #                         <--   HDR, SA, Nr, IDir, [ CERT, ] SIG_R
    #  HDR, IDii, [ CERT, ] SIG_I  -->
    #
    Rule(_R, "sig", _PROOF_NEXT, _CLEAR, (),   _ID_SIG,  _ID_MAY,     ao.finish,  _DONE),
)
"""No keys; which proof the responder sends shows with its SA."""

TRANSACTION = (
    #  HDR*, HASH, ATTR  -->
    #                    <--  HDR*, HASH, ATTR
    #
    #  role  auth  state flag    first  required   optional    handler    next
    Rule(_R, None, _H1,  _CRYPT, _HASH, (P.ATTR,), (),         ta.answer, _DONE),
    Rule(_I, None, _H2,  _CRYPT, _HASH, (P.ATTR,), (),         ta.take,   _DONE),
)
"""XAUTH and Mode Config; the hash covers message ID and ATTR in both directions."""

QUICK_MODE = (
    #  HDR*, HASH(1), SA0 [, SA1 ... ], Ni [, KE ] [, IDci, IDcr ]  -->
    #                 <--  HDR*, HASH(2), SA0 [, SA1 ... ], Nr [, KE ] [, IDci, IDcr ]
    #  HDR*, HASH(3)  -->
    #               [ <--  HDR*, HASH(4), N(CONNECTED) ]
    #
    #  role  auth  state flag    first     required optional  handler          next
    Rule(_R, None, _H1,  _CRYPT, _HASH_SA, _NONCE,  _QM_MAY,  qm.answer_offer, _H3),
    Rule(_I, None, _H2,  _CRYPT, _HASH_SA, _NONCE,  _QM_MAY,  qm.confirm,      _DONE),
    Rule(_R, None, _H3,  _CRYPT, _HASH,    (),      _QM3_MAY, qm.install,      _DONE),
    Rule(_I, None, _CON, _CRYPT, _HASH,    (P.N,),  _QM3_MAY, qm.take_fourth,  _DONE),
)
"""A pair of SAs for each SA payload."""

INFORMATIONAL = (
    #  HDR*, HASH(1), N/D  -->
    #
    #  role  auth  state flag    first  required optional   handler    next
    Rule(_R, None, _H1,  _CRYPT, _HASH, (),      _INFO_MAY, info.take, _DONE),
)
"""Under an ISAKMP SA; the sender is the initiator of its own little exchange."""

ACKNOWLEDGED = (
    #  HDR*, HASH(1), Ni, N/D  -->
    #                          <--  HDR*, HASH(2), Nr, N/D
    #
    #  role  auth  state flag    first  required optional   handler      next
    Rule(_R, None, _H1,  _CRYPT, _HASH, _NONCE,  _INFO_MAY, ack.answer,  _DONE),
    Rule(_I, None, _H2,  _CRYPT, _HASH, _NONCE,  _INFO_MAY, ack.confirm, _DONE),
)
"""The same with an answer."""

NEW_GROUP_MODE = (
    #  HDR*, HASH(1), SA  -->
    #                     <--  HDR*, HASH(2), SA
    #
    #  role  auth  state flag    first     required optional  handler     next
    Rule(_R, None, _H1,  _CRYPT, _HASH_SA, (),      _QM3_MAY, ng.answer,  _DONE),
    Rule(_I, None, _H2,  _CRYPT, _HASH_SA, (),      _QM3_MAY, ng.confirm, _DONE),
)
"""A private group."""
# fmt: on
