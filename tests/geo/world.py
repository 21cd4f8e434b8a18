"""Continents, countries, and where people live in them, for the databases that tests write.

A country is written `DE124:+54+13`: its ISO code, its share of the IPv4 addresses in use (in
thousandths of a /8, rounded generously), and the places around which its cities lie, latitude and
longitude in whole degrees.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["COUNTRIES", "EUROPEAN_UNION", "Country"]


class Country(NamedTuple):
    """A country as the generator needs it."""

    code: str
    continent: str
    weight: int
    anchors: tuple[tuple[int, int], ...]


EUROPEAN_UNION: Final = frozenset(
    # one line is easier to compare with the list of members
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)

WORLD: Final = {
    "AF": """
        AO1:-9+13 BF1:+12-2 BI1:-3+29 BJ1:+6+3 BW1:-25+26 CD1:-4+15-12+27 CF1:+4+19 CG1:-4+15
        CI1:+5-4 CM1:+4+10 CV1:+15-24 DJ1:+12+43 DZ5:+37+3 EG24:+30+31 EH1:+27-13 ER1:+15+39
        ET1:+9+39 GA1:+0+9 GH1:+6+0 GM1:+13-17 GN1:+10-14 GQ1:+4+9 GW1:+12-16 KE6:-1+37
        KM1:-12+43 LR1:+6-11 LS1:-29+28 LY1:+33+13 MA12:+34-8 MG1:-19+48 ML1:+13-8 MR1:+18-16
        MU1:-20+58 MW1:-16+35 MZ1:-26+33 NA1:-23+17 NE1:+14+2 NG4:+6+3 RE1:-21+55 RW1:-2+30
        SC1:-5+55 SD1:+16+33 SH1:-16-6 SL1:+8-13 SN1:+15-17 SO1:+2+45 SS1:+5+32 ST1:+0+7
        SZ1:-26+31 TD1:+12+15 TG1:+6+1 TN6:+37+10 TZ1:-7+39 UG1:+0+32 YT1:-13+45 ZA28:-26+28
        ZM1:-15+28 ZW1:-18+31
    """,
    "AN": """
        AQ1:-78+167-66+111-69+78-67+140-68+63-65-64-68-68-69+40-72+3-78+107 GS1:-54-37
        TF1:-49+70
    """,
    "AS": """
        AE6:+25+55 AF1:+35+69 AM1:+40+44 AZ1:+40+50 BD1:+24+90 BH1:+26+51 BN1:+5+115
        BT1:+27+90 CC1:-12+97 CN344:+31+121+44+88 CX1:-10+106 GE1:+42+45 HK17:+22+114
        ID18:-6+107+0+109-5+119-3+141 IL8:+32+35 IN46:+23+88 IO1:-7+72 IQ1:+33+44 IR11:+36+51
        JO1:+32+36 JP189:+36+140 KG1:+43+75 KH1:+12+105 KP1:+39+126 KR112:+38+127 KW2:+29+48
        KZ3:+43+77+45+65+53+64+50+57+45+50+47+52+51+51 LA1:+18+103 LB1:+34+36 LK1:+7+80
        MM1:+17+96 MN1:+48+107+48+92 MO1:+22+114 MV1:+4+74 MY7:+3+102+2+110 NP1:+28+85
        OM1:+24+59 PH6:+15+121 PK5:+25+67 PS1:+32+34+32+35 QA1:+25+52 SA10:+25+47 SG17:+1+104
        SY1:+34+36 TH9:+14+101 TJ1:+39+69 TM1:+38+58 TR16:+41+29 TW35:+25+122 UZ1:+40+67+41+69
        VN16:+11+107 YE1:+13+45
    """,
    "EU": """
        AD1:+42+2 AL1:+41+20 AT14:+48+16 AX1:+60+20 BA1:+44+18 BE13:+51+4 BG4:+43+23
        BY2:+54+28 CH29:+47+9 CY1:+35+33+35+34 CZ9:+50+14 DE124:+52+13+48+9 DK13:+56+13
        EE2:+59+25 ES33:+40-4+36-5+28-15 FI13:+60+25 FO1:+62-7 FR81:+49+2 GB113:+52+0
        GG1:+49-3 GI1:+36-5 GR6:+38+24 HR2:+46+16 HU6:+48+19 IE9:+53-6 IM1:+54-4 IS1:+64-22
        IT54:+42+12 JE1:+49-2 LI1:+47+10 LT3:+55+25 LU2:+50+6 LV2:+57+24 MC1:+44+7 MD1:+47+29
        ME1:+42+19 MK1:+42+21 MT1:+36+15 NL48:+52+5 NO15:+60+11 PL22:+52+21
        PT7:+39-9+33-17+38-26 RO10:+44+26 RS3:+45+20
        RU45:+55+20+56+38+59+50+49+44+46+48+52+46+54+48+53+50+57+61+55+73+55+83+53+84+56+85+54+87
        SE30:+59+18 SI2:+46+15 SJ1:+78+16 SK3:+48+17 SM1:+44+12 UA10:+45+34+50+31 VA1:+42+12
    """,
    "NA": """
        AG1:+17-62 AI1:+18-63 AW1:+12-70 BB1:+13-60 BL1:+18-63 BM1:+32-65 BQ1:+12-68
        BS1:+25-77 BZ1:+18-88
        CA69:+48-53+45-64+46-60+46-65+53-60+51-57+44-79+64-68+49-92+50-97+75-95+63-92+50-105+50-108
        CR1:+10-84 CU1:+23-82 CW1:+12-69 DM1:+15-61 DO1:+18-70 GD1:+12-62
        GL1:+64-52+77-19+70-22+77-69 GP1:+16-62 GT1:+15-91 HN1:+14-87 HT1:+19-72 JM1:+18-77
        KN1:+17-63 KY1:+19-81 LC1:+14-61 MF1:+18-63 MQ1:+15-61 MS1:+17-62
        MX29:+19-99+21-87+21-90+26-100+26-98+29-106+32-106+30-104+23-106+21-105+29-111+33-117
        NI1:+12-86 PA1:+9-80 PM1:+47-56 PR1:+18-66 SV1:+14-89 SX1:+18-63 TC1:+21-71 TT1:+11-62
        US1540:+41-74+42-83+42-88+33-97+40-105+33-112+34-118+38-122+48-122+26-80+34-84+30-95+21-158+61-150
        VC1:+13-61 VG1:+18-65 VI1:+18-65
    """,
    "OC": """
        AS1:-14-171
        AU49:-32+159-54+159-43+147-38+145-34+151-32+141-27+153-20+149-35+139-12+131-32+116-32+129
        CK1:-21-160 FJ1:-18+178 FM1:+7+152+7+158+5+163 GU1:+13+145 KI1:+1+173-3-172+2-157
        MH1:+7+171+9+167 MP1:+15+146 NC1:-22+166 NF1:-29+168 NR1:-1+167 NU1:-19-170
        NZ7:-37+175-44-177 PF1:-18-150-9-140-23-135 PG1:-10+147-6+156 PN1:-25-130 PW1:+7+134
        SB1:-10+160 TK1:-9-171 TL1:-9+126 TO1:-21-175 TV1:-9+179 UM1:+28-177+19+167
        VU1:-18+168 WF1:-13-176 WS1:-14-172
    """,
    "SA": """
        AR19:-35-58-31-64-25-65-24-65-27-65-28-66-29-67-32-69-33-69-33-66-52-69-55-68
        BO1:-16-68
        BR88:-4-32-1-48-4-38-8-35-7-48-10-36-13-39-24-47-20-55-16-56-2-55-9-64+3-61-3-60
        CL10:-33-71-46-72-53-71-27-109 CO18:+5-74 EC3:-2-80-1-90 FK1:-52-58 GF1:+5-52
        GY1:+7-58 PE4:-12-77 PY1:-25-58 SR1:+6-55 UY1:-35-56 VE7:+10-67
    """,
}


def _country(continent: str, text: str) -> Country:
    head, _, places = text.partition(":")
    numbers = [int(number) for number in re.findall(r"[+-]\d+", places)]
    return Country(
        head[:2], continent, int(head[2:]), tuple(zip(numbers[::2], numbers[1::2], strict=True))
    )


COUNTRIES: Final = tuple(
    _country(continent, text) for continent, texts in WORLD.items() for text in texts.split()
)
