#compdef mtdkeep
# The program itself says what may come: words, one a line, or :files, :folders,
# :programs, which the shell knows better.
_mtdkeep() {
    local -a lines
    lines=("${(@f)$("${(Q)words[1]}" __complete plain "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    [[ ${words[CURRENT]} != --*=* ]] || compset -P 1 '*='
    case ${lines[1]} in
        (:files) _files; shift lines ;;
        (:folders) _files -/; shift lines ;;
        (:programs) _command_names -e; shift lines ;;
    esac
    lines=(${lines:#})
    (( ${#lines} == 0 )) || compadd -- "${lines[@]}"
}
if [ "$funcstack[1]" = "_mtdkeep" ]; then
    _mtdkeep "$@"
else
    compdef _mtdkeep mtdkeep
fi
